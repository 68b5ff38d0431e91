/** Whether a value is an object, but not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return isObject(value) && !Array.isArray(value)
}

/** Whether a value is an object or an array, but not null. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Reads an own field, so that a script's additions to `Object.prototype` are ignored. */
export function getOwn(record: object, name: string): unknown {
  return Object.hasOwn(record, name) ? (record as Record<string, unknown>)[name] : undefined
}
