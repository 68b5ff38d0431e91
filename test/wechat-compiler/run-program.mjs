// @ts-check
import { spawn } from 'node:child_process'

/**
 * Runs a program silently; the error of a failed run contains its output.
 *
 * @param {string} program
 * @param {string[]} parameters
 * @param {{ directory: string, timeLimit: number }} options
 * @returns {Promise<string>} Its standard output.
 */
export function runProgram(program, parameters, { directory, timeLimit }) {
  const title = [program, ...parameters].join(' ')
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeLimit,
      killSignal: 'SIGKILL',
    })
    let output = ''
    let everything = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
      everything += chunk
    })
    child.stderr.on('data', (chunk) => {
      everything += chunk
    })
    child.once('error', (error) => reject(new Error(`${title} did not start: ${error.message}`)))
    child.once('close', (exitCode, signal) => {
      if (exitCode === 0) return resolve(output)
      const reason = signal ? `was ended by ${signal} (time limit ${timeLimit / 1000} s)` : `failed with ${exitCode}`
      reject(new Error(`${title} ${reason} in ${directory}:\n${everything.trim()}`))
    })
  })
}

/**
 * @param {string[]} parameters
 * @param {{ directory: string, timeLimit: number }} options
 */
export function runNpm(parameters, options) {
  // npm names its own program here; starting npm by its bare name does not work on Windows.
  const { npm_execpath: npm } = process.env
  return npm ? runProgram(process.execPath, [npm, ...parameters], options) : runProgram('npm', parameters, options)
}
