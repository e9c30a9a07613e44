import type { HeaderList } from "@evenkeel/core";
import { faultOfField } from "./header-fields.ts";

/** What a header block of a response says (RFC 9113, sections 8.1 and 8.3.2). */
export type ResponseHead =
  | {
      readonly kind: "final";
      readonly status: number;
      readonly headers: HeaderList;
      readonly contentLength: number | undefined;
    }
  /** 1xx: the response itself follows. */
  | { readonly kind: "informational" }
  | { readonly kind: "trailers"; readonly headers: HeaderList }
  | { readonly kind: "malformed"; readonly reason: string };

/** `afterHead`: the final headers were there before, so that these are trailers. */
export function readResponseHead(fields: HeaderList, afterHead: boolean): ResponseHead {
  const first = fields[0];
  const hasStatus = first !== undefined && first[0] === ":status";
  const headers = hasStatus ? fields.slice(1) : fields;
  let contentLength: number | undefined;
  for (const [name, value] of headers) {
    const reason = faultOfField(name, value);
    if (reason !== undefined) return { kind: "malformed", reason };
    if (name !== "content-length") continue;
    const length = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (length !== (contentLength ?? length)) return { kind: "malformed", reason: `content-length: ${value}` };
    contentLength = length;
  }
  if (afterHead)
    return hasStatus ? { kind: "malformed", reason: ":status in trailers" } : { kind: "trailers", headers };
  if (!hasStatus) return { kind: "malformed", reason: "no :status" };
  const status = Number(first[1]);
  if (!/^[1-9]\d\d$/.test(first[1])) return { kind: "malformed", reason: `:status ${JSON.stringify(first[1])}` };
  if (status === 101) return { kind: "malformed", reason: ":status 101" };
  return status < 200 ? { kind: "informational" } : { kind: "final", status, headers, contentLength };
}
