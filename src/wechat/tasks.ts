import type { Client } from '../client/client.ts'
import { MAX_REPEATS } from '../client/repeat.ts'
import { waitFor } from '../connect/wait.ts'
import { AbortController } from '../protocol/abort-controller.ts'
import { findApi } from '../protocol/apis.ts'
import type { TaskAnswer, TaskOrder } from '../protocol/app-thread.ts'
import type { Timers } from '../protocol/awake-timers.ts'
import type { CancelSignal } from '../protocol/cancel-signal.ts'
import type { AnswerSummary, Envelope } from '../protocol/envelope.ts'
import { isLingpaiError, LingpaiError, tokenServerUnreachable } from '../protocol/errors.ts'
import type { SentRequest, WireTask } from '../protocol/tasks.ts'
import type { Running } from './network.ts'
import { createTaskSemaphore } from './task-semaphore.ts'

/** One request of a page: what the worker sees of it, how it is sent, and what happens with the answer. */
export interface TaskPlan<Answer, Result> {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  /** The data that a signer may read and change. */
  readonly data: unknown
  readonly auth: boolean | undefined
  /** Sends an attempt with the headers and data that the worker has signed. */
  send(order: TaskOrder): Running<Answer>
  /** Reads the part of the answer that the worker judges. */
  summarize(answer: Answer, envelope: Envelope | undefined): AnswerSummary & { readonly isRedirect?: boolean }
  /** Cleans up after an answer that the page does not get. */
  discard?(answer: Answer, isReplaced: boolean): void
  /** Returns the page's result from an answer that the worker has accepted. */
  deliver(answer: Answer, envelope: Envelope | undefined): Result
}

export interface TaskOptions {
  /** In milliseconds, for the whole task. If undefined, only the wait for a worker has a deadline. */
  readonly deadline: number | undefined
  readonly signal: CancelSignal | undefined
}

interface Attempt {
  readonly sent: SentRequest
  readonly answer: Promise<unknown>
  readonly summary: Promise<TaskAnswer>
}

interface Task {
  readonly plan: TaskPlan<never, unknown>
  envelope: Envelope | undefined
  last: Attempt | undefined
  /** Whether the task holds a slot of the semaphore. */
  hasSlot: boolean
  /** Set while the task waits for a slot. The next worker waits for the same promise. */
  queue: Promise<void> | undefined
  isSending: boolean
  /** Leaves the queue, or aborts the request in flight. */
  cancel: () => void
  error: LingpaiError | undefined
}

function isTimeout(error: unknown): boolean {
  return isLingpaiError(error) && error.code === 'timeout'
}

export type Tasks = ReturnType<typeof createTasks>

/**
 * The app thread's part of the pages' requests. The bodies stay here; the worker orders each attempt and judges its answer. If
 * a worker is lost, a request that was handed to WeChat is not sent again: the next worker judges its answer.
 */
export function createTasks(client: Client, timers: Timers) {
  const tasks = new Map<string, Task>()
  const semaphore = createTaskSemaphore()
  let lastTask = 0

  function releaseSlot(task: Task): void {
    if (task.hasSlot) semaphore.release()
    task.hasSlot = false
  }

  function findTask(name: string): Task {
    const task = tasks.get(name)
    if (task === undefined) throw new LingpaiError('aborted', 'The task has ended.')
    if (task.error) throw task.error
    return task
  }

  /** Takes the slot of a task that waits for a token, which may take as long as the token server is down. */
  function takeIdleSlot(): boolean {
    const idle = [...tasks.values()].find(({ hasSlot, isSending }) => hasSlot && !isSending)
    if (idle) idle.hasSlot = false
    return idle !== undefined
  }

  function waitForSlot(task: Task): Promise<void> {
    task.queue ??= new Promise<void>((resolve, reject) => {
      const leaveQueue = semaphore.acquire(() => {
        task.hasSlot = true
        task.queue = undefined
        task.cancel = () => {}
        resolve()
      })
      task.cancel = () => {
        leaveQueue()
        reject(task.error)
      }
    })
    return task.queue
  }

  function start(task: Task, order: TaskOrder): Attempt {
    const { plan, envelope, last } = task
    last?.answer.then((answer) => plan.discard?.(answer as never, true)).catch(() => {})
    const running: Running<never> = plan.send(order)
    task.cancel = () => running.abort()
    task.isSending = true
    const answer = running.answer.finally(() => {
      task.isSending = false
      releaseSlot(task)
    })
    const attempt: Attempt = {
      sent: { isReplay: order.isReplay, ...(order.ticket && { ticket: order.ticket }) },
      answer,
      summary: answer.then((received) => plan.summarize(received, envelope)),
    }
    // If the worker was lost, no caller may be waiting for it yet.
    attempt.summary.catch(() => {})
    task.last = attempt
    return attempt
  }

  async function toWireTask(name: string, { plan, last }: Task, isSigned: boolean): Promise<WireTask> {
    const { url, method, headers, data, auth } = plan
    return {
      name,
      url,
      method,
      headers,
      auth,
      ...(isSigned && data !== undefined && { data }),
      ...(last && { sent: last.sent }),
    }
  }

  return {
    /** Runs one request of a page, from the first attempt to the result. */
    async run<Answer, Result>(plan: TaskPlan<Answer, Result>, { deadline, signal }: TaskOptions): Promise<Result> {
      lastTask += 1
      const name = `task${lastTask.toString(36)}`
      const controller = new AbortController()
      const task: Task = {
        plan: plan as TaskPlan<never, unknown>,
        envelope: undefined,
        last: undefined,
        hasSlot: false,
        queue: undefined,
        isSending: false,
        cancel: () => {},
        error: undefined,
      }
      const caller = client.caller()
      const judge = async (): Promise<Result> => {
        const api = findApi(await client.apis(controller.signal), new URL(plan.url))
        task.envelope = api?.envelope
        await client.repeat(
          async (connection) =>
            connection.call('task', [await toWireTask(name, task, api?.isSigned === true)], {
              signal: controller.signal,
              caller,
            }),
          controller.signal,
          MAX_REPEATS,
          // The answer to what was sent is delivered, whatever user is signed in by now.
          null,
        )
        return plan.deliver((await task.last?.answer) as Answer, task.envelope)
      }
      let waitedForToken = false
      tasks.set(name, task)
      try {
        return await waitFor(judge(), {
          deadline,
          signal,
          timers,
          onGiveUp() {
            const isIdle = !task.isSending && task.queue === undefined
            waitedForToken = isIdle && plan.auth !== false && client.getSnapshot().tokenServer === 'unreachable'
            task.error = new LingpaiError('aborted', 'The task was aborted.')
            task.cancel()
            controller.abort()
          },
        })
      } catch (error) {
        task.error ??= new LingpaiError('aborted', 'The task has ended.')
        // If the worker was lost for good, the task may still be queued, and its slot would never be released.
        if (task.queue) task.cancel()
        task.last?.answer.then((answer) => plan.discard?.(answer as Answer, false)).catch(() => {})
        // The broker's own wait for a token began later, so its error has not arrived yet.
        throw waitedForToken && isTimeout(error) ? tokenServerUnreachable() : error
      } finally {
        tasks.delete(name)
        // A request in flight keeps its slot until it has ended.
        if (!task.isSending) releaseSlot(task)
      }
    },

    /** Sends an attempt that the worker has ordered. If no slot is free, waits for one, then asks for a new order. */
    async sendTask(order: TaskOrder): Promise<TaskAnswer> {
      const task = findTask(order.name)
      if (!task.hasSlot && !semaphore.tryAcquire() && !(order.ticket === undefined && takeIdleSlot())) {
        await waitForSlot(task)
        return { hasWaited: true }
      }
      task.hasSlot = true
      return start(task, order).summary
    },

    async awaitTask(name: string): Promise<TaskAnswer> {
      const { last } = findTask(name)
      if (last === undefined) throw new LingpaiError('invalid_call', 'The task has not been sent yet.')
      return last.summary
    },
  }
}
