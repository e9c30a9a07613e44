/** Names that were found to be well-formed; few, and the same again and again. */
const knownNames = new Set<string>();
const maxKnownNames = 1_000;
const maxKnownNameLength = 100;

/** Why a field may not stand in an HTTP/2 header block (RFC 9113, sections 8.2.1 and 8.2.2); mostly `undefined`. */
export function faultOfField(name: string, value: string): string | undefined {
  if (!knownNames.has(name)) {
    const fault = faultOfName(name);
    if (fault !== undefined) return fault;
    if (knownNames.size < maxKnownNames && name.length <= maxKnownNameLength) knownNames.add(name);
  }
  return faultOfValue(name, value);
}

export function faultOfValue(name: string, value: string): string | undefined {
  // latin1, without what would end a header elsewhere
  return /[\0\r\n\u0100-\uffff]/.test(value) ? `the value of ${JSON.stringify(name)}` : undefined;
}

function faultOfName(name: string): string | undefined {
  // RFC 9110, section 5.6.2, in lower case; pseudo-headers are not asked about
  if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) return `the name ${JSON.stringify(name)}`;
  return connectionSpecific.includes(name) ? `${JSON.stringify(name)}, which HTTP/2 does not allow` : undefined;
}

const connectionSpecific = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
