import type { Client } from '../client/client.ts'
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

/** One request of a page: what the worker is told of it, how it is sent, and what becomes of its answer. */
export interface TaskPlan<Answer, Result> {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  /** What a signer may see and change. */
  readonly data: unknown
  readonly auth: boolean | undefined
  /** Sends an attempt, as the worker has signed it. */
  send(order: TaskOrder): Running<Answer>
  /** Reads what is to be judged. */
  summarize(answer: Answer, envelope: Envelope | undefined): AnswerSummary & { readonly isRedirect?: boolean }
  /** Gives up an answer that nobody gets. */
  discard?(answer: Answer, isReplaced: boolean): void
  /** What the page gets where the worker found nothing wrong. */
  deliver(answer: Answer, envelope: Envelope | undefined): Result
}

export interface TaskOptions {
  /** In milliseconds, for the whole of it; without one, only the wait for a worker has a deadline. */
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
  hasSlot: boolean
  /** Set while it waits for one, for whichever worker. */
  queue: Promise<void> | undefined
  isSending: boolean
  /** Ends what is under way: a place in the queue, or an exchange. */
  stop: () => void
  error: LingpaiError | undefined
}

function isTimeout(error: unknown): boolean {
  return isLingpaiError(error) && error.code === 'timeout'
}

export type Tasks = ReturnType<typeof createTasks>

/**
 * The app thread's half of the pages' requests. The bodies stay here; the worker is told of each attempt and judges its
 * answer. A request that was handed to WeChat is never sent again because a worker was lost: the next one judges it.
 */
export function createTasks(client: Client, timers: Timers) {
  const tasks = new Map<string, Task>()
  const slots = createTaskSemaphore()
  let lastTask = 0

  function releaseSlot(task: Task): void {
    if (task.hasSlot) slots.release()
    task.hasSlot = false
  }

  function findTask(name: string): Task {
    const task = tasks.get(name)
    if (task === undefined) throw new LingpaiError('aborted', 'The task has ended.')
    if (task.error) throw task.error
    return task
  }

  /** One that is kept for a task that waits for its token, which may take as long as the token server is down. */
  function takeIdleSlot(): boolean {
    const idle = [...tasks.values()].find(({ hasSlot, isSending }) => hasSlot && !isSending)
    if (idle) idle.hasSlot = false
    return idle !== undefined
  }

  function waitForSlot(task: Task): Promise<void> {
    task.queue ??= new Promise<void>((resolve, reject) => {
      const leaveQueue = slots.wait(() => {
        task.hasSlot = true
        task.queue = undefined
        task.stop = () => {}
        resolve()
      })
      task.stop = () => {
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
    task.stop = () => running.abort()
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
    // Where the worker is lost, nobody may be waiting for it yet.
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
    /** Does one request of a page, from the first attempt to its delivery. */
    async run<Answer, Result>(plan: TaskPlan<Answer, Result>, { deadline, signal }: TaskOptions): Promise<Result> {
      lastTask += 1
      const name = `task${lastTask.toString(36)}`
      const giveUp = new AbortController()
      const task: Task = {
        plan: plan as TaskPlan<never, unknown>,
        envelope: undefined,
        last: undefined,
        hasSlot: false,
        queue: undefined,
        isSending: false,
        stop: () => {},
        error: undefined,
      }
      const judge = async (): Promise<Result> => {
        const api = findApi(await client.apis(giveUp.signal), new URL(plan.url))
        task.envelope = api?.envelope
        await client.repeat(
          async (connection) =>
            connection.call('task', [await toWireTask(name, task, api?.isSigned === true)], {
              signal: giveUp.signal,
            }),
          giveUp.signal,
        )
        return plan.deliver((await task.last?.answer) as Answer, task.envelope)
      }
      let wantsToken = false
      tasks.set(name, task)
      try {
        return await waitFor(judge(), {
          deadline,
          signal,
          timers,
          onGiveUp() {
            const isIdle = !task.isSending && task.queue === undefined
            wantsToken = isIdle && plan.auth !== false && client.getSnapshot().tokenServer === 'unreachable'
            task.error = new LingpaiError('aborted', 'The task was given up.')
            task.stop()
            giveUp.abort()
          },
        })
      } catch (error) {
        task.error ??= new LingpaiError('aborted', 'The task has ended.')
        // Where its worker was lost for good, it may still wait for a place, which nobody would give back.
        if (task.queue) task.stop()
        task.last?.answer.then((answer) => plan.discard?.(answer as Answer, false)).catch(() => {})
        // The broker's own wait for a token began later, and would have said so.
        throw wantsToken && isTimeout(error) ? tokenServerUnreachable() : error
      } finally {
        tasks.delete(name)
        // An exchange that is under way keeps its place until it has ended.
        if (!task.isSending) releaseSlot(task)
      }
    },

    /** The worker's order to send an attempt. Where all places are taken, waits for one, and asks for a new order. */
    async sendTask(order: TaskOrder): Promise<TaskAnswer> {
      const task = findTask(order.name)
      if (!task.hasSlot && !slots.tryTake() && !(order.ticket === undefined && takeIdleSlot())) {
        await waitForSlot(task)
        return { hasWaited: true }
      }
      task.hasSlot = true
      return start(task, order).summary
    },

    async awaitTask(name: string): Promise<TaskAnswer> {
      const { last } = findTask(name)
      if (last === undefined) throw new LingpaiError('invalid_call', 'The task was not sent yet.')
      return last.summary
    },
  }
}
