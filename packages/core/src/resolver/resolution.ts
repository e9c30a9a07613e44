/** What the resolver last said. */
export type Resolution =
  | { readonly kind: "pending" }
  /** `error`: why the set that was found before could not be learnt anew. */
  | { readonly kind: "known"; readonly size: number; readonly error: Error | undefined }
  | { readonly kind: "failed"; readonly error: Error };

export function resolutionError(resolution: Resolution): Error | undefined {
  return resolution.kind === "pending" ? undefined : resolution.error;
}
