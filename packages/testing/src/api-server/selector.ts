import { badRequest, StatusFailure } from "./status.ts";

type Labels = Readonly<Record<string, string>>;

/** Whether an object is selected. */
export type Selector = (labels: Labels) => boolean;

/** `a=b`, `a==b`, `a!=b`, `a`, `!a`, `a in (b,c)`, `a notin (b,c)`; commas between several. */
const requirement =
  /^\s*(?:!\s*(?<gone>[\w./-]+)|(?<key>[\w./-]+)\s*(?:(?<operator>==|!=|=)\s*(?<value>[\w.-]*)|(?<set>in|notin)\s*\((?<values>[\w.,\s-]*)\))?)\s*/;

/** Reads a label selector. Throws a `StatusFailure` (400) for what is none; empty selects everything. */
export function parseLabelSelector(text: string): Selector {
  const terms: Selector[] = [];
  let rest = text.trim();
  while (rest !== "") {
    const match = requirement.exec(rest);
    if (match?.groups === undefined) {
      const found = /^!?\s*([!=<>(),]|[^\s!=<>(),]*)/.exec(rest)?.[1];
      throw new StatusFailure(badRequest(`unable to parse requirement: found '${found}', expected: identifier`));
    }
    terms.push(term(match.groups));
    rest = rest.slice(match[0].length);
    if (rest === "") break;
    if (!rest.startsWith(",")) {
      throw new StatusFailure(badRequest(`found '${rest[0]}', expected: ',' or 'end of string'`));
    }
    rest = rest.slice(1).trimStart();
    if (!/^[!\w]/.test(rest)) throw new StatusFailure(badRequest(`found '${rest}', expected: identifier after ','`));
  }
  return (labels) => terms.every((matches) => matches(labels));
}

function term(groups: Readonly<Record<string, string | undefined>>): Selector {
  const { gone, key = "", operator, value = "", set, values = "" } = groups;
  if (gone !== undefined) return (labels) => labels[gone] === undefined;
  if (set !== undefined) {
    const wanted = new Set(values.split(",").map((each) => each.trim()));
    const within: Selector = (labels) => labels[key] !== undefined && wanted.has(labels[key]);
    return set === "in" ? within : (labels) => !within(labels);
  }
  if (operator === undefined) return (labels) => labels[key] !== undefined;
  if (operator === "!=") return (labels) => labels[key] !== value;
  return (labels) => labels[key] === value;
}

export interface FieldSelector {
  readonly name?: string;
  readonly namespace?: string;
}

/** Reads a field selector, of which `metadata.name` and `metadata.namespace` with `=` are known. Throws as above. */
export function parseFieldSelector(text: string): FieldSelector {
  const selector: { name?: string; namespace?: string } = {};
  for (const part of text.split(",").filter((each) => each !== "")) {
    const match = /^([^=!]+)==?([^=]*)$/.exec(part);
    if (match === null) throw new StatusFailure(badRequest(`invalid selector: '${text}'; can't understand '${part}'`));
    const [, field = "", value = ""] = match;
    if (field === "metadata.name") selector.name = value;
    else if (field === "metadata.namespace") selector.namespace = value;
    else
      throw new StatusFailure(
        badRequest(`"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`),
      );
  }
  return selector;
}
