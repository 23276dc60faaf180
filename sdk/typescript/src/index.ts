/**
 * Handlers for the events of other contexts, with effects exactly once, and events of one's own.
 *
 * @packageDocumentation
 */

export { emit, type EmitOptions, type Lineage, type Queryable } from "./emit.js";
export { Poison, Retry } from "./errors.js";
export type { Event } from "./event.js";
export {
  createHandlers,
  type Handlers,
  type HandlersOptions,
  type ManyTransaction,
  type Registration,
  type Transaction,
  type TransactionMode,
} from "./handlers.js";
export { logToStdout, type Log, type LogLine } from "./log.js";
export type { PayloadOf, SchemaIssue, SchemaResult, StandardSchema } from "./schema.js";
export { createService, type Service, type ServiceOptions } from "./service.js";
