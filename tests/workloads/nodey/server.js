'use strict';
// The second lab's service: its About page needs /etc/nodey.conf, and says nothing of the kind when that is missing.
//
// Run with: node --perf-basic-prof --interpreted-frames-native-stack server.js
// Prints "listening PORT".

const fs = require('fs');
const http = require('http');

function readConfiguration() {
  return fs.readFileSync('/etc/nodey.conf', 'utf8');
}

function renderAbout() {
  return `<h1>About</h1><pre>${readConfiguration()}</pre>`;
}

function handleRequest(request, response) {
  if (request.url !== '/about') {
    response.end('<h1>Welcome</h1>');
    return;
  }
  try {
    response.end(renderAbout());
  } catch {
    response.statusCode = 500;
    response.end('An error occurred');
  }
}

const server = http.createServer(handleRequest);
server.listen(Number(process.env.PORT || 0), '127.0.0.1', () => {
  console.log(`listening ${server.address().port}`);
});
