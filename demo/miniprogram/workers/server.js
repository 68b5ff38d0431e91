// The demo's server. ../server.js names the same one: a worker can only require files of its own folder.
exports.origin = 'http://localhost:5185'
