/**
 * What becomes of packets for the address of a dead pod:
 *
 * - `reset`: any TCP packet is answered with a reset.
 * - `refuse`: a new connection is refused, by a reset too; the rest is swallowed.
 * - `swallow`: nothing is answered.
 */
export type Stage = "reset" | "refuse" | "swallow";

/** Rules of iptables' filter table. What an address may still send are the resets that the rules make. */
function rulesOf(host: string, stage: Stage): readonly string[] {
  const noWord = `OUTPUT -s ${host} -p tcp ! --tcp-flags RST RST -j DROP`;
  switch (stage) {
    case "reset":
      return [`INPUT -d ${host} -p tcp -j REJECT --reject-with tcp-reset`, noWord];
    case "refuse":
      return [`INPUT -d ${host} -p tcp --syn -j REJECT --reject-with tcp-reset`, `INPUT -d ${host} -j DROP`, noWord];
    case "swallow":
      return [`INPUT -d ${host} -j DROP`, `OUTPUT -s ${host} -j DROP`];
  }
}

/** What `iptables-restore --noflush` reads to bring `host` from one stage to the next, in one step. */
export function stageChange(host: string, from: Stage | undefined, to: Stage): string {
  const old = from === undefined ? [] : rulesOf(host, from).map((rule) => `-D ${rule}`);
  const own = rulesOf(host, to).map((rule) => `-A ${rule}`);
  return ["*filter", ...own, ...old, "COMMIT", ""].join("\n");
}
