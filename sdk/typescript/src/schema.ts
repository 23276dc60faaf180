/**
 * What validates a payload: any library of the Standard Schema (zod, valibot, arktype and others).
 *
 * The shape of version 1 of that specification, so that the package needs no dependency for it.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** The value as the schema hands it over, or what is wrong with it. */
export type SchemaResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong, and where. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/** What a schema hands over for a valid payload. */
export type PayloadOf<Schema extends StandardSchema> = NonNullable<Schema["~standard"]["types"]>["output"];

// The libraries' messages may quote the value ("expected a number but received …"). Zod's own do not; the others say
// apart what they expected; of a library that is not known here only the fields are told.
const REASONS: Readonly<Record<string, (issue: Record<string, unknown>) => unknown>> = {
  zod: (issue) => issue["message"],
  valibot: (issue) => (issue["expected"] ? `expected ${issue["expected"]}` : issue["type"]),
  arktype: (issue) => `expected ${arktypeExpects(issue)}`,
};

/** A union's own words quote the value: it is told by its branches. */
function arktypeExpects(issue: Record<string, unknown>): string {
  const branches = issue["errors"] as ReadonlyArray<Record<string, unknown>> | undefined;
  if (branches === undefined) return String(issue["expected"]);
  return branches.map(arktypeExpects).join(issue["code"] === "union" ? " or " : " and ");
}

/** Which fields are wrong and why, without a value of the payload. */
export function problems(vendor: string, issues: readonly SchemaIssue[]): string {
  return issues.map((issue) => `${fieldOf(issue)}: ${reasonOf(vendor, issue)}`).join("; ");
}

function fieldOf(issue: SchemaIssue): string {
  // Copied, since a library's own kind of array may make another of its kind when mapped.
  const steps = [...(issue.path ?? [])].map((step) => String(typeof step === "object" ? step.key : step));
  return steps.join(".") || "the payload";
}

function reasonOf(vendor: string, issue: SchemaIssue): string {
  const reason = REASONS[vendor]?.(issue as unknown as Record<string, unknown>);
  return typeof reason === "string" && reason !== "" ? reason : "is not valid";
}
