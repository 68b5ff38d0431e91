import { fileURLToPath } from 'node:url'

/** The path of a file relative to the project's root, in the format of bundlers. */
export function pathOf(file: string): string {
  return fileURLToPath(new URL(`../${file}`, import.meta.url)).replaceAll('\\', '/')
}
