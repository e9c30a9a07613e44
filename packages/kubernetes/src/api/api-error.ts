/** What an API server answered instead of what it was asked for. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** The HTTP status. */
  readonly status: number;
  /** Milliseconds that it asks to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Proxies answer with whole pages. */
const maxMessageLength = 1_000;

/** The `Status` object of an error, which is what bodies of error responses and ERROR events are. */
export function apiErrorOf(status: unknown, code?: number, retryAfter?: string): ApiError {
  const { message, ...rest } = (typeof status === "object" && status !== null ? status : {}) as Status;
  const number = code ?? (typeof rest.code === "number" ? rest.code : 500);
  const seconds = Number(retryAfter ?? rest.details?.retryAfterSeconds);
  const isRedirect = number >= 300 && number < 400;
  const none = isRedirect ? "the API server redirects, which is not followed" : "the API server gave no reason";
  const text = typeof message === "string" && message !== "" ? message.slice(0, maxMessageLength) : none;
  return new ApiError(number, `${text} (${number})`, seconds > 0 ? seconds * 1_000 : undefined);
}

interface Status {
  readonly message?: unknown;
  readonly code?: unknown;
  readonly details?: { readonly retryAfterSeconds?: unknown };
}
