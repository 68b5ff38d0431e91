/** The data of a GET, as the fields of its query. @throws TypeError if they are not an object */
export function toQuery(data: unknown): [string, string][] {
  if (data === undefined) return []
  if (typeof data !== 'object' || data === null) throw new TypeError('the data of a GET must be an object')
  return Object.entries(data).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
}
