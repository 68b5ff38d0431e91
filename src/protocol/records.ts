/** Whether a value is an object with named fields: neither null nor a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return isObject(value) && !Array.isArray(value)
}

/** Whether a value is an object of any kind, a list among them. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Reads a field of the object itself, whatever a script has put on `Object.prototype`. */
export function getOwn(record: object, name: string): unknown {
  return Object.hasOwn(record, name) ? (record as Record<string, unknown>)[name] : undefined
}
