/** What `test:cluster` has to be told, by the environment. */
const names = ["KUBECONFIG", "EVENKEEL_E2E_NAMESPACE"];

export const missing: readonly string[] = names.filter((name) => (process.env[name] ?? "") === "");

/** Where everything is created. */
export const namespace: string = process.env["EVENKEEL_E2E_NAMESPACE"] ?? "";
