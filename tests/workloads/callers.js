// Opens /nonexistent/NAME once by each of the ways, called NAME, in which functions of JavaScript come to call each other.
'use strict';
const fs = require('fs');
function missing(name) { try { fs.openSync('/nonexistent/' + name); } catch (error) { return error.code; } }
function recurse(name, depth) { return depth ? recurse(name, depth - 1) : missing(name); }
class Shape { constructor(name) { this.name = name; } open() { return missing(this.name); } }
missing('plain');
recurse('recursion', 100);
new Shape('method').open();
[1].map(function mapped() { return missing('mapped'); });
JSON.parse('[1]', function reviver(key, value) { if (key === '0') missing('reviver'); return value; });
(() => missing('arrow'))();
[2, 1].sort(function compare(a, b) { missing('sorted'); return a - b; });
'x'.replace(/x/, function replacer() { return missing('replaced'); });
setTimeout(function timer() { missing('timer'); }, 5);
Promise.resolve().then(function resolved() { missing('promise'); });
setImmediate(function immediate() { missing('immediate'); });
