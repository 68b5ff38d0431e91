import { createTexts } from '../page/language.ts'
import type { ControlName, GroupName } from './controls.ts'

interface ControlTexts {
  readonly label: string
  /** The effect, in one line. */
  readonly hint: string
  /** The text for the log. A switch and a slider pass their new value. */
  readonly did: (value: string) => string
}

interface Texts {
  readonly heading: string
  readonly lead: string
  readonly sequel: string
  readonly reset: string
  readonly didReset: string
  readonly on: string
  readonly off: string
  readonly groups: Readonly<Record<GroupName, { readonly heading: string; readonly line: string }>>
  readonly controls: Readonly<Record<ControlName, ControlTexts>>
}

const english: Texts = {
  heading: 'Break it',
  lead: 'Each press really breaks something, at the servers or in the worker, and does not inform lingpai. Its reaction is read from its own history.',
  sequel: 'After each press, make 10 calls in every tab (if a refresh is needed, expire the token first)',
  reset: 'Restore everything',
  didReset: 'You restored the servers and the clock.',
  on: 'on',
  off: 'off',
  groups: {
    tokens: {
      heading: 'The tokens',
      line: 'A token may end at any time, even before its expiry. A late 401 costs a call at most one refresh and one replay.',
    },
    tokenServer: {
      heading: 'The token server',
      line: 'Only a rejected refresh token ends the session. After any other failure, lingpai keeps the session and retries the refresh.',
    },
    network: {
      heading: 'The API and the network',
      line: 'The caller gets the final response of the API. A call without a response rejects, as with `fetch`.',
    },
    worker: {
      heading: 'The worker and the clock',
      line: 'Browsers end workers, and clocks jump. lingpai detects and replaces a lost worker, and sends idempotent calls again.',
    },
    user: {
      heading: 'The user',
      line: "A sign-in or sign-out in one tab applies to all tabs, and no call is sent with the previous user's token.",
    },
  },
  controls: {
    expire: {
      label: 'Expire the token',
      hint: 'The API rejects every access token issued so far.',
      did: () => 'You expired the access token.',
    },
    revoke: {
      label: 'Revoke everything',
      hint: 'The provider no longer accepts any token, not even the refresh token.',
      did: () => 'You revoked all tokens at the provider.',
    },
    life: {
      label: 'Lifetime of an access token',
      hint: 'For tokens that are issued from now on.',
      did: (value) => `You set the lifetime of access tokens to ${value}.`,
    },
    'fault-503': {
      label: 'Answer 503',
      hint: 'The next refresh gets 503: the server is overloaded.',
      did: () => 'You made the next refresh get 503.',
    },
    'fault-429': {
      label: 'Answer 429',
      hint: 'The next refresh gets 429 with `Retry-After: 3`.',
      did: () => 'You made the next refresh get 429 and Retry-After: 3.',
    },
    'fault-hang': {
      label: 'Hang',
      hint: 'The next refresh gets no response. lingpai waits 10 seconds for it.',
      did: () => 'You made the next refresh hang.',
    },
    'fault-lost': {
      label: 'Lose the response',
      hint: 'The next refresh rotates the token, and its response never arrives. Also try it with a grace period.',
      did: () => 'You made the response to the next refresh get lost after the rotation.',
    },
    'fault-invalid-grant': {
      label: 'Answer invalid_grant',
      hint: 'The server rejects the refresh token of the next refresh.',
      did: () => 'You made the next refresh get invalid_grant.',
    },
    delay: {
      label: 'Delay of a refresh',
      hint: 'The duration of every refresh.',
      did: (value) => `You set the delay of refreshes to ${value}.`,
    },
    rotation: {
      label: 'Rotation',
      hint: 'Every refresh returns a new refresh token, and the old one must not be reused.',
      did: (value) => `You turned rotation ${value}.`,
    },
    grace: {
      label: 'Grace period for reuse',
      hint: 'For this time, reuse of a refresh token does not count as theft.',
      did: (value) => `You set the grace period for reuse to ${value}.`,
    },
    denial: {
      label: 'API always 401',
      hint: 'The API rejects even new tokens.',
      did: (value) => `You turned the API's constant 401 ${value}.`,
    },
    offline: {
      label: 'Offline',
      hint: 'Every connection to the provider and the API is cut.',
      did: (value) => `You turned offline ${value}.`,
    },
    kill: {
      label: 'Kill the worker',
      hint: 'During the calls, as a browser does to free memory.',
      did: () => 'You killed the worker.',
    },
    clock: {
      label: "Advance the worker's clock by an hour",
      hint: 'By the clock, every token has now expired.',
      did: () => "You advanced the worker's clock by an hour.",
    },
    'switch-user': {
      label: 'Sign in as another user',
      hint: 'alice becomes bob, or bob becomes alice; the password is `lingpai`.',
      did: (value) => `You went to sign in as ${value}.`,
    },
    'sign-out-here': {
      label: 'Sign out',
      hint: 'In every tab; the tokens are revoked.',
      did: () => 'You signed out.',
    },
    'sign-out-everywhere': {
      label: 'Sign out everywhere',
      hint: "Also ends the provider's own session, by a redirect to the provider.",
      did: () => 'You signed out everywhere.',
    },
  },
}

const chinese: Texts = {
  heading: '制造故障',
  lead: '每次操作都会在服务器或 Worker 中制造真实的故障，且不会通知 lingpai。页面根据 lingpai 的历史记录显示它的处理过程。',
  sequel: '每次操作后，从每个标签页发起 10 个请求（如需观察刷新，会先让令牌过期）',
  reset: '全部恢复正常',
  didReset: '你将服务器和时钟恢复正常。',
  on: '开启',
  off: '关闭',
  groups: {
    tokens: {
      heading: '令牌',
      line: '无论有效期是多久，令牌随时可能失效。迟到的 401 最多让一个请求刷新一次、重发一次。',
    },
    tokenServer: {
      heading: '令牌服务器',
      line: '只有刷新令牌被拒绝时，会话才会结束。服务器出现其他任何故障时，会话都会保留，刷新会重试。',
    },
    network: {
      heading: 'API 与网络',
      line: 'API 的最终响应会原样返回给调用方；未能发出或没有收到响应的请求会 reject，与 `fetch` 一致。',
    },
    worker: {
      heading: 'Worker 与时钟',
      line: '浏览器可能终止 Worker，系统时钟也可能跳变。lingpai 会检测到 Worker 丢失，并启动新的 Worker；可以安全重发的请求会自动重发。',
    },
    user: {
      heading: '用户',
      line: '在任意一个标签页登录或退出，对所有标签页都生效；任何请求都不会使用上一个用户的令牌。',
    },
  },
  controls: {
    expire: {
      label: '让令牌过期',
      hint: 'API 拒绝此前签发的所有访问令牌。',
      did: () => '你让访问令牌过期。',
    },
    revoke: {
      label: '吊销全部令牌',
      hint: 'OpenID 服务不再接受任何令牌，包括刷新令牌。',
      did: () => '你在 OpenID 服务吊销了全部令牌。',
    },
    life: {
      label: '访问令牌的有效期',
      hint: '对之后签发的令牌生效。',
      did: (value) => `你将访问令牌的有效期设为 ${value}。`,
    },
    'fault-503': {
      label: '返回 503',
      hint: '服务器过载，不处理下一次刷新。',
      did: () => '你让服务器对下一次刷新返回 503。',
    },
    'fault-429': {
      label: '返回 429',
      hint: '服务器不处理下一次刷新，响应中带有 `Retry-After: 3`。',
      did: () => '你让服务器对下一次刷新返回 429 和 Retry-After: 3。',
    },
    'fault-hang': {
      label: '无响应',
      hint: '下一次刷新得不到任何响应，lingpai 最多等待 10 秒。',
      did: () => '你让下一次刷新得不到响应。',
    },
    'fault-lost': {
      label: '丢失响应',
      hint: '下一次刷新会轮换令牌，但响应丢失。也可以配合宽限期试一试。',
      did: () => '你让下一次刷新的响应在令牌轮换之后丢失。',
    },
    'fault-invalid-grant': {
      label: '返回 invalid_grant',
      hint: '下一次刷新时，服务器返回刷新令牌无效的错误。',
      did: () => '你让服务器对下一次刷新返回 invalid_grant。',
    },
    delay: {
      label: '刷新的延迟',
      hint: '每次刷新所需的时间。',
      did: (value) => `你将刷新的延迟设为 ${value}。`,
    },
    rotation: {
      label: '令牌轮换',
      hint: '每次刷新都会签发新的刷新令牌，旧的不能再次使用。',
      did: (value) => `你将令牌轮换设为${value}。`,
    },
    grace: {
      label: '重复使用的宽限期',
      hint: '在此期间内，再次使用旧的刷新令牌不会被判定为盗用。',
      did: (value) => `你将重复使用的宽限期设为 ${value}。`,
    },
    denial: {
      label: 'API 始终返回 401',
      hint: '即使是新令牌，API 也会拒绝。',
      did: (value) => `你将“API 始终返回 401”设为${value}。`,
    },
    offline: {
      label: '离线',
      hint: '切断到 OpenID 服务和 API 的所有连接。',
      did: (value) => `你将离线设为${value}。`,
    },
    kill: {
      label: '终止 Worker',
      hint: '在请求进行中终止，相当于浏览器回收内存。',
      did: () => '你终止了 Worker。',
    },
    clock: {
      label: '将 Worker 的时钟拨快一小时',
      hint: '按照这个时钟，所有令牌都已过期。',
      did: () => '你将 Worker 的时钟拨快了一小时。',
    },
    'switch-user': {
      label: '以另一个用户登录',
      hint: '从 alice 换成 bob，或从 bob 换成 alice；密码为 `lingpai`。',
      did: (value) => `你开始以 ${value} 的身份登录。`,
    },
    'sign-out-here': {
      label: '退出登录',
      hint: '对所有标签页生效，并吊销令牌。',
      did: () => '你退出了登录。',
    },
    'sign-out-everywhere': {
      label: '全局退出登录',
      hint: '跳转到 OpenID 服务，同时结束它自己的会话。',
      did: () => '你进行了全局退出登录。',
    },
  },
}

export const breakItTexts = createTexts({ en: english, zh: chinese })
