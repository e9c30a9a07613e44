import { Ajv, type ValidateFunction } from "ajv";
import { describeObject, type KubernetesObject } from "./objects.ts";

/** An OpenAPI v3 document of the API server, such as `/openapi/v3/apis/apps/v1`; what is used of it. */
export interface OpenApiDocument {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly "x-kubernetes-group-version-kind"?: readonly GroupVersionKind[];
  readonly [keyword: string]: unknown;
}

interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** What is wrong with an object by its schema; nothing where it is right. */
export type SchemaCheck = (object: KubernetesObject) => readonly string[];

/**
 * Checks objects as the API server does with `fieldValidation=Strict`: a field that the schema does not know is an
 * error. `read` returns the document of an apiVersion, `undefined` where there is none.
 */
export function createSchemaCheck(read: (apiVersion: string) => OpenApiDocument | undefined): SchemaCheck {
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  const validators = new Map<string, ReadonlyMap<string, () => ValidateFunction>>();
  const kindsOf = (apiVersion: string): ReadonlyMap<string, () => ValidateFunction> => {
    let kinds = validators.get(apiVersion);
    if (kinds === undefined) {
      const schemas = read(apiVersion)?.components.schemas ?? {};
      ajv.addSchema({ $id: apiVersion, components: { schemas: closed(schemas) } });
      kinds = new Map(
        Object.entries(schemas).flatMap(([name, schema]) => {
          const found = (schema["x-kubernetes-group-version-kind"] ?? []).find((each) => isOf(each, apiVersion));
          const compile = () => ajv.getSchema(`${apiVersion}#/components/schemas/${name}`) as ValidateFunction;
          return found === undefined ? [] : [[found.kind, compile] as const];
        }),
      );
      validators.set(apiVersion, kinds);
    }
    return kinds;
  };
  return (object) => {
    const validate = kindsOf(object.apiVersion).get(object.kind)?.();
    if (validate === undefined) return [`${describeObject(object)}: ${object.apiVersion} has no kind ${object.kind}`];
    validate(object);
    return (validate.errors ?? []).map(({ instancePath, message, params }) => {
      const unknown = params["additionalProperty"];
      return `${describeObject(object)}: ${instancePath || "/"} ${message}${unknown === undefined ? "" : `: ${unknown}`}`;
    });
  };
}

function isOf({ group, version }: GroupVersionKind, apiVersion: string): boolean {
  return (group === "" ? version : `${group}/${version}`) === apiVersion;
}

/** `type: string or number` is all that the schemas say of it; this is its documented grammar. */
const quantity: Schema = {
  anyOf: [
    { type: "string", pattern: "^[+-]?(\\d+\\.?\\d*|\\.\\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\\d+)?$" },
    { type: "number" },
  ],
};

/** The same schemas with no room for fields that they do not name. */
function closed(schemas: Readonly<Record<string, Schema>>): Readonly<Record<string, Schema>> {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      if (name.endsWith(".api.resource.Quantity")) return [name, quantity];
      const isOpen = schema.properties === undefined || schema.additionalProperties !== undefined;
      return [name, isOpen ? schema : { ...schema, additionalProperties: false }];
    }),
  );
}
