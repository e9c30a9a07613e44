/** The peer breaks the protocol or a limit: the connection ends with a GOAWAY of this code (RFC 9113, section 5.4.1). */
export class ProtocolError extends Error {
  readonly errorCode: number;

  constructor(errorCode: number, message: string) {
    super(message);
    this.name = "ProtocolError";
    this.errorCode = errorCode;
  }
}
