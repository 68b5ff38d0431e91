// The demo's server. workers/server.js names the same one: a worker can require nothing from outside of its folder.
exports.origin = 'http://localhost:5185'
