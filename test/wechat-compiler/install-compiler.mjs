// @ts-check
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import path from 'node:path'
import { runNpm } from './run-program.mjs'

const version = '2.1.42'
const installLimit = 15 * 60 * 1000

/**
 * Installs Tencent's compiler outside the project, whose own dependencies need neither its size (280 MB) nor its age.
 * A finished installation is used again.
 *
 * @param {(line: string) => void} log
 * @returns {Promise<string>} The folder to `require('miniprogram-ci')` from.
 */
export async function installCompiler(log) {
  const directory = path.join(tmpdir(), `miniprogram-ci-${version}-${userInfo().username}`)
  if (existsSync(directory)) {
    log(`miniprogram-ci ${version}: already in ${directory}`)
    return directory
  }
  log(`miniprogram-ci ${version}: installing into ${directory} (280 MB, one to three minutes)`)
  // Renamed only when complete, so that an interrupted installation is never taken for a finished one.
  const unfinished = await mkdtemp(`${directory}-unfinished-`)
  try {
    await writeFile(path.join(unfinished, 'package.json'), JSON.stringify({ private: true }))
    await runNpm(
      ['install', `miniprogram-ci@${version}`, '--save-exact', '--ignore-scripts', '--no-audit', '--no-fund'],
      { directory: unfinished, timeLimit: installLimit },
    )
    await mkdir(path.dirname(directory), { recursive: true })
    await rename(unfinished, directory)
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return directory
}
