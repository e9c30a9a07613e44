/**
 * Addresses for one cluster: 2048 of 198.18.0.0/15, which is set aside for tests of networks (RFC 2544), so that no
 * machine on the internet has them.
 */
export interface Block {
  /** Name of the device that leads there. It is the claim: no two have a name, and all clusters name theirs after it. */
  readonly device: string;
  /** The machine's own address there, with the prefix length of the block. */
  readonly machine: string;
  /** The address that connections from there come from, likewise. */
  readonly gateway: string;
  /** The pods' half of the block, in CIDR notation. */
  readonly pods: string;
  /** The addresses of pods. */
  readonly hosts: readonly string[];
}

const firstAddress = 0xc6_12_00_00; // 198.18.0.0
const blockSize = 2_048;
const blocks = 64;

/** Routes to more than this say where the internet is: a default route, or the two halves that VPNs make of it. */
const widestPrefix = 8;

/**
 * The blocks that none of `routes` leads to, from the `start`th on and around. Routes are destinations as `ip route`
 * has them: `default`, an address, or CIDR notation.
 */
export function freeBlocks(routes: readonly string[], start: number): Block[] {
  const taken = routes.map(rangeOf).filter((range) => range !== undefined);
  return Array.from({ length: blocks }, (_, index) => firstAddress + ((start + index) % blocks) * blockSize)
    .filter((first) => !taken.some((range) => range.first < first + blockSize && range.last >= first))
    .map(blockAt);
}

function blockAt(first: number): Block {
  const half = blockSize / 2;
  return {
    device: `ek-${dotted(first).replace(/\.0$/, "")}`,
    machine: `${dotted(first + 1)}/21`,
    gateway: `${dotted(first + 2)}/21`,
    pods: `${dotted(first + half)}/22`,
    hosts: Array.from({ length: half - 2 }, (_, index) => dotted(first + half + 1 + index)),
  };
}

/** The addresses of a destination; of one that is no IPv4 prefix, or a very wide one, none. */
function rangeOf(destination: string): { readonly first: number; readonly last: number } | undefined {
  const [, address = "", prefix = "32"] = /^([\d.]+)(?:\/(\d+))?$/.exec(destination) ?? [];
  const length = Number(prefix);
  if (address === "" || length < widestPrefix) return undefined;
  const first = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return { first, last: first + 2 ** (32 - length) - 1 };
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}
