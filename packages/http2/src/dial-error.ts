import { type Address, formatAddress, messageOf, type Target } from "@evenkeel/core";

/** What was seen when a connection could not be made, and at which address. */
export function explainDialError(error: unknown, address: Address, target: Target): string {
  const text = messageOf(error);
  // what OpenSSL says of an answer that is no TLS record
  if (target.scheme === "https" && /wrong version number|packet length too long/.test(text)) {
    return `${formatAddress(address)} does not speak TLS: use http:// if that is meant`;
  }
  return text.includes(String(address.port)) ? text : `${text} (${formatAddress(address)})`;
}
