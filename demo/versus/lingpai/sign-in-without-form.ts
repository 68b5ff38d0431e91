import type { Grant } from 'lingpai/worker'

/** The comparison signs in by itself, before each storm; an app leaves this to the provider's page. */
export const signInWithoutForm: NonNullable<Grant<Record<string, never>>['signIn']> = async (_input, io) => {
  const { body } = await io.send({ url: `${location.origin}/pairs/lingpai/tokens`, method: 'POST' })
  return JSON.parse(body)
}
