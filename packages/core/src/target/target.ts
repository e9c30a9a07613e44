/** A parsed target: what a client names, before a resolver finds its endpoints. */
export interface Target {
  /** The target as it was given. */
  readonly text: string;
  readonly scheme: "http" | "https";
  /** Host name or address; an IPv6 address without its brackets. */
  readonly host: string;
  /** 1 to 65 535; the scheme's default port where none was given. */
  readonly port: number;
  /** What `:authority` and TLS server names are made of: the host, and the port unless it is the default one. */
  readonly authority: string;
}

/**
 * Parses an `http://` or `https://` URL.
 *
 * Throws a `TypeError` that names the fault when `text` is no such URL.
 */
export function parseTarget(text: string): Target {
  const wanted = 'expected "http://host:port" or "https://host:port"';
  if (typeof text !== "string") throw new TypeError(`malformed target ${JSON.stringify(text)}: ${wanted}`);
  if (!URL.canParse(text)) throw new TypeError(`malformed target ${JSON.stringify(text)}: ${wanted}`);
  const url = new URL(text);
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== "http" && scheme !== "https") {
    throw new TypeError(`unsupported scheme "${scheme}" in target ${JSON.stringify(text)}: ${wanted}`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new TypeError(`target with credentials in its URL: ${wanted}; send credentials in a header`);
  }
  if (url.port === "0") throw new TypeError(`port 0 in target ${JSON.stringify(text)}: expected 1 to 65535`);
  return {
    text,
    scheme,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? (scheme === "https" ? 443 : 80) : Number(url.port),
    authority: url.host,
  };
}
