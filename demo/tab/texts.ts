import type { Snapshot } from 'lingpai'
import { createTexts } from '../page/language.ts'

const english = {
  title: 'A tab of the lingpai playground',
  tab: (name: string) => `Tab ${name}`,
  calls: 'Calls of this tab, each a square; the arrow keys go from one to the next',
  noCalls: 'No calls yet',
  call: (number: number) => `Call ${number}.`,
  callWaits: 'On its way.',
  callEnded: (outcome: string) => `It ended with ${outcome}.`,
  fire: (count: number) => `Fire ${count === 1 ? '1 call' : `${count} calls`}`,
  intro:
    'A tab like any other: it has opened the same worker as the playground, and nothing else. It never saw a token, and was signed in when the playground was.',
  back: 'To the playground',
  status: {
    connecting: 'connecting…',
    'signed-out': 'signed out',
    'signing-in': 'signing in…',
    'signed-in': 'signed in',
  } satisfies Record<Snapshot['status'], string> as Record<Snapshot['status'], string>,
}

const chinese: typeof english = {
  title: 'lingpai 演练场的一个标签页',
  tab: (name) => `标签页 ${name}`,
  calls: '本标签页的请求，每个方块代表一个请求；可用方向键逐个查看',
  noCalls: '还没有请求',
  call: (number) => `第 ${number} 个请求。`,
  callWaits: '进行中。',
  callEnded: (outcome) => `结果：${outcome}。`,
  fire: (count) => `发起 ${count} 个请求`,
  intro: '这是一个普通的标签页：它只连接了演练场所用的 Worker，从未接触过令牌；演练场登录时，它也同时登录。',
  back: '返回演练场',
  status: {
    connecting: '正在连接…',
    'signed-out': '未登录',
    'signing-in': '正在登录…',
    'signed-in': '已登录',
  },
}

export const texts = createTexts({ en: english, zh: chinese })
