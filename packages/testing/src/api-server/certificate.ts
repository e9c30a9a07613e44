import { isIP } from "node:net";
import { generate } from "selfsigned";

/** PEM. */
export interface ServerCertificate {
  readonly key: string;
  readonly cert: string;
  /** What clients trust: the CA that signed it. */
  readonly ca: string;
}

const curve = { keyType: "ec", curve: "P-256", algorithm: "sha256" } as const;
const names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];

/** A certificate for an API server at `host`, valid for a year, and a CA of its own. */
export async function createCertificate(host: string): Promise<ServerCertificate> {
  const ca = await generate([{ name: "commonName", value: "kubernetes" }], {
    ...curve,
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", digitalSignature: true, keyCertSign: true, critical: true },
    ],
  });
  const addresses = new Set(["127.0.0.1", "::1", ...(isIP(host) === 0 ? [] : [host])]);
  const server = await generate([{ name: "commonName", value: "kube-apiserver" }], {
    ...curve,
    ca: { key: ca.private, cert: ca.cert },
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          ...names.map((value) => ({ type: 2 as const, value })),
          ...[...addresses].map((ip) => ({ type: 7 as const, ip })),
        ],
      },
    ],
  });
  return { key: server.private, cert: server.cert, ca: ca.cert };
}
