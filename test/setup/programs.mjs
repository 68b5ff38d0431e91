// @ts-check
import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'

/** @typedef {import('./find-engine.mjs').Command} Command */

/**
 * @param {string[]} files
 * @param {(file: string) => Promise<boolean>} isExecutable
 * @returns {Promise<boolean>}
 */
export async function anyExecutable(files, isExecutable) {
  for (const file of files) {
    if (await isExecutable(file)) return true
  }
  return false
}

/**
 * @param {string} file
 * @returns {Promise<boolean>}
 */
export async function isExecutableFile(file) {
  try {
    await access(file, constants.X_OK)
    return (await stat(file)).isFile()
  } catch {
    return false
  }
}

/**
 * @param {Command} command
 * @returns {Promise<boolean>}
 */
export function runVisibly({ command, parameters, timeLimit, environment }) {
  return new Promise((resolve) => {
    const child = spawn(command, parameters, {
      env: environment,
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: timeLimit,
    })
    child.on('error', () => resolve(false))
    child.on('exit', (code) => resolve(code === 0))
  })
}
