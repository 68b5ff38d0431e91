// The demo's server. workers/server.js names the same one: a worker can only require files of its own folder.
exports.origin = 'http://localhost:5185'
