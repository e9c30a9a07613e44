/** A message without what differs from one RPC to the next, so that the same cause counts as the same. */
export function normalized(message: string): string {
  return message
    .replaceAll(/\d+(\.\d+){3}(:\d+)?/g, "ADDRESS")
    .replaceAll(/\bpod-\d+\b/g, "POD")
    .replaceAll(/\b\d+(\.\d+)?(?= ?m?s\b)/g, "N")
    .replaceAll(/(?<=\b(connection|stream|to|of) #?)\d+\b/g, "N")
    .replaceAll(/:\d{2,5}\b/g, ":PORT")
    .replaceAll(/\s+/g, " ")
    .trim();
}
