import type { Snapshot } from 'lingpai'
import { createTexts } from '../page/language.ts'

const english = {
  title: 'A tab of the lingpai playground',
  tab: (name: string) => `Tab ${name}`,
  calls: 'Calls of this tab as squares; move between them with the arrow keys',
  noCalls: 'No calls yet',
  call: (number: number) => `Call ${number}.`,
  callWaits: 'In flight.',
  callEnded: (outcome: string) => `It ended with ${outcome}.`,
  fire: (count: number) => `Fire ${count === 1 ? '1 call' : `${count} calls`}`,
  intro:
    'An ordinary tab: it only connects to the same worker as the playground. It never gets a token, and was signed in together with the playground.',
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
