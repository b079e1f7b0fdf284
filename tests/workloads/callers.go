// Opens /nonexistent/NAME once by each of the ways, called NAME, in which Go's functions come to call each other.
package main

import (
	"os"
	"sync"
)

//go:noinline
func missing(path string) bool {
	_, err := os.Open(path)
	return err != nil
}

//go:noinline
func recurse(path string, depth int) bool {
	if depth == 0 {
		return missing(path)
	}
	return !recurse(path, depth-1)
}

type opens interface{ open() bool }

type named struct{ path string }

//go:noinline
func (n *named) open() bool { return missing(n.path) }

func main() {
	missing("/nonexistent/plain")
	recurse("/nonexistent/recursion", 100)
	var some opens = &named{"/nonexistent/interface"}
	some.open()
	func() { missing("/nonexistent/closure") }()
	var group sync.WaitGroup
	group.Add(1)
	go func() {
		defer group.Done()
		recurse("/nonexistent/goroutine", 3)
	}()
	group.Wait()
	defer missing("/nonexistent/deferred")
}
