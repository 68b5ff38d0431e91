/** The events in words. A replay of a seed must give the same bytes: the hashes are compared. */
export function createStory(now: () => number) {
  const lines: string[] = []
  let hash = 0x811c9dc5
  return {
    tell(line: string): void {
      const text = `${(now() / 1000).toFixed(4).padStart(11)}  ${line}`
      for (let index = 0; index < text.length; index++) {
        hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
      }
      lines.push(text)
    },
    lines: (): readonly string[] => lines,
    hash: () => (hash >>> 0).toString(16).padStart(8, '0'),
  }
}

export type Story = ReturnType<typeof createStory>
