import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { replayStory } from './stories/replay.ts'

const folder = new URL('./stories/', import.meta.url)
const names = readdirSync(folder).filter((name) => name.endsWith('.txt'))

test.each(names)('the session goes through the story %s as it is written', (name) => {
  const file = new URL(name, folder)
  const text = readFileSync(file, 'utf8')
  const replayed = replayStory(text)
  // After an intended change of the machine: rewrite the stories, and read what has changed in them.
  if (process.env.UPDATE_STORIES === '1') writeFileSync(file, replayed)
  else expect(replayed).toBe(text)
})

test('a story that differs from the machine in one line does not pass', () => {
  const text = readFileSync(new URL('stale-401.txt', folder), 'utf8')
  const changed = text.replace('permit one: access-1', 'permit one: access-2')
  expect(changed).not.toBe(text)
  expect(replayStory(changed)).toBe(text)
})
