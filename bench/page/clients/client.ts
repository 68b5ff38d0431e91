/** A signed-in client of the API. */
export interface Client {
  /** Reads the JSON of a GET. Rejects if the response is not ok. */
  read(url: string): Promise<unknown>
}

class BadAnswer extends Error {}

export async function readGood(response: Response): Promise<unknown> {
  if (response.ok) return response.json()
  await response.body?.cancel()
  throw new BadAnswer(`the API answered ${response.status}`)
}
