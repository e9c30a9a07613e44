/** What a content type of the Connect protocol says of the body; `undefined` for another protocol's. */
export function parseContentType(
  type: string | undefined,
): { readonly isStream: boolean; readonly isBinary: boolean } | undefined {
  const match = type === undefined ? null : pattern.exec(type);
  if (match === null) return undefined;
  return { isStream: match[1] !== undefined, isBinary: match[3] !== undefined };
}

const pattern = /^application\/(connect\+)?(?:(json)(?:; ?charset=utf-?8)?|(proto))$/i;

/** Of every request but GET. */
export const protocolVersion = ["connect-protocol-version", "1"] as const;
export const timeoutHeader = "connect-timeout-ms";
