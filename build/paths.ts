import { fileURLToPath } from 'node:url'

/** The path of a file of the project, from its top, as bundlers write it. */
export function pathOf(file: string): string {
  return fileURLToPath(new URL(`../${file}`, import.meta.url)).replaceAll('\\', '/')
}
