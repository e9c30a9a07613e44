import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "./objects.ts";
import { createSchemaCheck, type OpenApiDocument } from "./schemas.ts";

const document: OpenApiDocument = {
  components: {
    schemas: {
      "io.k8s.api.toys.v1.Toy": {
        type: "object",
        required: ["spec"],
        properties: {
          apiVersion: { type: "string" },
          kind: { type: "string" },
          metadata: { type: "object", additionalProperties: { type: "string" } },
          spec: { allOf: [{ $ref: "#/components/schemas/io.k8s.api.toys.v1.ToySpec" }], default: {} },
        },
        "x-kubernetes-group-version-kind": [{ group: "toys", version: "v1", kind: "Toy" }],
      },
      "io.k8s.api.toys.v1.ToySpec": {
        type: "object",
        properties: {
          wheels: { type: "integer" },
          size: { allOf: [{ $ref: "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity" }] },
          parts: { type: "array", items: { $ref: "#/components/schemas/io.k8s.api.toys.v1.ToySpec" } },
        },
      },
      "io.k8s.apimachinery.pkg.api.resource.Quantity": { oneOf: [{ type: "string" }, { type: "number" }] },
    },
  },
};
const check = createSchemaCheck((apiVersion) => (apiVersion === "toys/v1" ? document : undefined));

function toy(spec: unknown, other: Partial<KubernetesObject> = {}): KubernetesObject {
  const object = { apiVersion: "toys/v1", kind: "Toy", metadata: { name: "car" }, spec, ...other };
  return object;
}

describe("createSchemaCheck", () => {
  it("has nothing to say of what is right", () => {
    expect(check(toy({ wheels: 4, size: "256Mi", parts: [{ wheels: 1, size: 0.5 }] }))).toEqual([]);
  });

  it("finds unknown fields at any depth", () => {
    expect(check(toy({ parts: [{}, { wheel: 1 }] }))).toEqual([
      "Toy car: /spec/parts/1 must NOT have additional properties: wheel",
    ]);
    expect(check({ ...toy({}), status: {} } as KubernetesObject)).toEqual([
      "Toy car: / must NOT have additional properties: status",
    ]);
  });

  it("finds wrong types and missing fields, all of them", () => {
    expect(check(toy({ wheels: "4", parts: {} }))).toEqual([
      "Toy car: /spec/wheels must be integer",
      "Toy car: /spec/parts must be array",
    ]);
    expect(check(toy(undefined))).toEqual(["Toy car: / must have required property 'spec'"]);
  });

  it.each(["256MB", "1 Gi", "", "m", "1e", "0.5.5"])("does not take %j for an amount", (size) => {
    expect(check(toy({ size }))).toContain(
      'Toy car: /spec/size must match pattern "^[+-]?(\\d+\\.?\\d*|\\.\\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\\d+)?$"',
    );
  });

  it.each(["100m", "1.5", "1e3", "2E", "0.5Gi", "+1", ".5"])("takes %j for an amount", (size) => {
    expect(check(toy({ size }))).toEqual([]);
  });

  it("knows no kind of another version", () => {
    expect(check(toy({}, { apiVersion: "toys/v2" }))).toEqual(["Toy car: toys/v2 has no kind Toy"]);
    expect(check(toy({}, { kind: "Game" }))).toEqual(["Game car: toys/v1 has no kind Game"]);
  });
});
