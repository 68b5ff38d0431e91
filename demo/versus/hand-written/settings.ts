import { versus } from 'virtual:servers'

const { issuer, apiOrigin } = versus['hand-written']
export const tokenEndpoint = `${issuer}/token`
export const clientId = 'web'

export { loginPage, showToast } from '../frame.ts'
export { apiOrigin }
