import type { Grant } from 'lingpai/worker'

/** The comparison signs in automatically before each storm. An app uses the provider's page instead. */
export const signInWithoutForm: NonNullable<Grant<Record<string, never>>['signIn']> = async (_input, io) => {
  const { body } = await io.send({ url: `${location.origin}/pairs/lingpai/tokens`, method: 'POST' })
  return JSON.parse(body)
}
