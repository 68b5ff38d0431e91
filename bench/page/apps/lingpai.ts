import { connect } from 'lingpai'

export const session = connect({
  shared: () => new SharedWorker('/token.worker.js', { type: 'module', name: 'session' }),
})
session.fetch('https://api.example.com/orders').then((response) => response.json())
