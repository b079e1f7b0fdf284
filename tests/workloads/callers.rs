//! Opens /nonexistent/NAME once by each of the ways, called NAME, in which Rust's functions come to call each other.
use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::thread;

#[inline(never)]
fn missing(path: &str) -> bool {
    File::open(path).is_err()
}

trait Opens {
    fn open(&self) -> bool;
}

struct Named<T>(T);

impl<T: AsRef<str>> Opens for Named<T> {
    #[inline(never)]
    fn open(&self) -> bool {
        black_box(missing(self.0.as_ref()))
    }
}

#[inline(never)]
fn recurse(path: &str, depth: u32) -> bool {
    if depth == 0 {
        black_box(missing(path))
    } else {
        !black_box(!recurse(path, depth - 1))
    }
}

#[inline(never)]
fn with_closure<F: Fn(&str) -> bool>(call: F) -> bool {
    black_box(call("/nonexistent/closure"))
}

fn main() {
    black_box(missing("/nonexistent/plain"));
    black_box(recurse("/nonexistent/recursion", 100));
    let named: Box<dyn Opens> = Box::new(Named(String::from("/nonexistent/trait")));
    black_box(named.open());
    black_box(with_closure(|path| missing(path)));
    let mut table: HashMap<u32, fn(&str) -> bool> = HashMap::new();
    table.insert(1, missing);
    for call in table.values() {
        black_box(call("/nonexistent/table"));
    }
    let found: Vec<bool> = ["/nonexistent/iterator"].iter().map(|path| missing(path)).collect();
    black_box(found);
    black_box(thread::spawn(|| black_box(missing("/nonexistent/thread"))).join().is_ok());
    black_box(std::panic::catch_unwind(|| black_box(missing("/nonexistent/catch"))).is_ok());
}
