/** A way to call the API, signed in. */
export interface Client {
  /** Reads the JSON of a GET; rejects for every answer but a good one. */
  read(url: string): Promise<unknown>
}

export class BadAnswer extends Error {}

export async function readGood(response: Response): Promise<unknown> {
  if (response.ok) return response.json()
  await response.body?.cancel()
  throw new BadAnswer(`the API answered ${response.status}`)
}
