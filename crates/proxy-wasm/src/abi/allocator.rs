//! An allocator that keeps small blocks for the next request.
//!
//! The allocator of the standard library for this target, dlmalloc, merges a freed block with its
//! neighbours and splits a larger one for the next request: some 300 instructions for a pair of
//! calls, a third of all that a decision took. A request needs the same sizes as the one before it,
//! so blocks up to [`LARGEST`] octets are kept by their sizes, a few of each, and handed out again
//! by some 20 instructions. Everything else is left to the allocator behind.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::null_mut;

/// The sizes of kept blocks are the multiples of it.
const STEP: usize = 16;
const SIZES: usize = 128;
/// The largest block that is kept, in octets.
const LARGEST: usize = STEP * SIZES;
/// Blocks are aligned as dlmalloc aligns them on this target.
const ALIGNMENT: usize = 8;
/// Of each size, so many blocks are kept. What a larger burst freed is left to the allocator
/// behind, which may merge it.
const KEPT: u32 = 16;

/// Keeps blocks of `A`.
pub(crate) struct Reusing<A> {
    behind: A,
    /// By the number of steps; the first has none.
    kept: UnsafeCell<[Blocks; SIZES + 1]>,
}

/// The kept blocks of one size.
#[derive(Clone, Copy)]
struct Blocks {
    /// The block that was freed last; its first octets have the address of the one before.
    first: *mut u8,
    number: u32,
}

// SAFETY: a module of proxy-wasm has one thread.
unsafe impl<A: Sync> Sync for Reusing<A> {}

impl<A> Reusing<A> {
    pub(crate) const fn new(behind: A) -> Self {
        let none = Blocks { first: null_mut(), number: 0 };
        Self { behind, kept: UnsafeCell::new([none; SIZES + 1]) }
    }

    /// The kept blocks of `steps` steps, which are at most [`SIZES`].
    fn blocks(&self, steps: usize) -> *mut Blocks {
        self.kept.get().cast::<Blocks>().wrapping_add(steps)
    }
}

/// The number of steps that a block for `layout` has; `None` = such blocks are not kept.
fn steps(layout: Layout) -> Option<usize> {
    let is_kept = layout.size() <= LARGEST && layout.align() <= ALIGNMENT;
    is_kept.then_some(layout.size().div_ceil(STEP))
}

/// The layout of a block of so many steps.
fn whole(steps: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and the size does not overflow.
    unsafe { Layout::from_size_align_unchecked(steps * STEP, ALIGNMENT) }
}

// SAFETY: every block comes from `behind` with a layout that depends only on the layout that was
// asked for, has at least its size and alignment, and goes back to `behind` with the same layout. A
// kept block is in one list, once, and nothing else uses it. None of the functions panics.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Reusing<A> {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(steps) = steps(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { self.behind.alloc(layout) };
        };
        let blocks = self.blocks(steps);
        // SAFETY: `blocks` is a place of the array, which only the running function uses. A block
        // of its list is aligned and has the address of the next one in its first octets.
        unsafe {
            let first = (*blocks).first;
            if first.is_null() {
                return self.behind.alloc(whole(steps));
            }
            (*blocks).first = first.cast::<*mut u8>().read();
            (*blocks).number -= 1;
            first
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(steps) = steps(layout) else {
            // SAFETY: the caller's promise; the block came from `behind` with this layout.
            return unsafe { self.behind.dealloc(block, layout) };
        };
        let blocks = self.blocks(steps);
        // SAFETY: as in `alloc`. The block has at least STEP octets, enough for an address, and is
        // the caller's no longer.
        unsafe {
            if (*blocks).number == KEPT {
                return self.behind.dealloc(block, whole(steps));
            }
            block.cast::<*mut u8>().write((*blocks).first);
            (*blocks).first = block;
            (*blocks).number += 1;
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: `size` is not 0 and does not overflow.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (steps(layout), steps(wanted)) {
            (Some(before), Some(after)) if before == after => block,
            // SAFETY: the caller's promise; the block came from `behind` with this layout.
            (None, None) => unsafe { self.behind.realloc(block, layout, size) },
            // SAFETY: the caller's promise; the shorter of both lengths is within both blocks,
            // which are different ones.
            _ => unsafe {
                let new = self.alloc(wanted);
                if !new.is_null() {
                    new.copy_from_nonoverlapping(block, layout.size().min(size));
                    self.dealloc(block, layout);
                }
                new
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::System;
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use super::*;

    /// Notes which blocks are in use, and refuses a wrong layout.
    #[derive(Default)]
    struct Noting(UnsafeCell<BTreeMap<usize, Layout>>, Cell<usize>);

    // SAFETY: as `System`; the notes are used by one thread.
    unsafe impl GlobalAlloc for Noting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promise.
            let block = unsafe { System.alloc(layout) };
            // SAFETY: one thread, and no other reference.
            unsafe { (*self.0.get()).insert(block as usize, layout) };
            self.1.set(self.1.get() + 1);
            block
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: one thread, and no other reference.
            let noted = unsafe { (*self.0.get()).remove(&(block as usize)) };
            assert_eq!(noted, Some(layout));
            // SAFETY: the caller's promise.
            unsafe { System.dealloc(block, layout) };
        }
    }

    /// Blocks of many sizes live at the same time, each with octets of its own.
    #[test]
    fn blocks_do_not_overlap_and_keep_their_content() {
        let allocator = Reusing::new(Noting::default());
        let mut live: Vec<(*mut u8, Layout, u8)> = Vec::new();
        let mut state = 7_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for round in 0..20_000_u32 {
            let mark = round as u8;
            let most = if random(10) == 0 { 3 * LARGEST } else { 300 };
            let size = 1 + random(most);
            let is_marked = |(block, layout, mark): (*mut u8, Layout, u8)| {
                // SAFETY: the block is in use and has so many octets.
                let octets = unsafe { std::slice::from_raw_parts(block, layout.size()) };
                octets.iter().all(|octet| *octet == mark)
            };
            match random(3) {
                0 if !live.is_empty() => {
                    let (block, layout, mark) = live.swap_remove(random(live.len()));
                    assert!(is_marked((block, layout, mark)));
                    // SAFETY: the block is in use with this layout.
                    unsafe { allocator.dealloc(block, layout) };
                }
                1 if !live.is_empty() => {
                    let (block, layout, mark) = live.swap_remove(random(live.len()));
                    // SAFETY: the block is in use with this layout.
                    let block = unsafe { allocator.realloc(block, layout, size) };
                    let kept = Layout::from_size_align(size.min(layout.size()), 1).unwrap();
                    assert!(is_marked((block, kept, mark)));
                    let layout = Layout::from_size_align(size, layout.align()).unwrap();
                    // SAFETY: the block is in use and has so many octets.
                    unsafe { block.write_bytes(mark, size) };
                    live.push((block, layout, mark));
                }
                _ => {
                    let layout = Layout::from_size_align(size, 1 << random(5)).unwrap();
                    // SAFETY: the size is not 0.
                    let block = unsafe { allocator.alloc(layout) };
                    assert_eq!(block as usize % layout.align(), 0);
                    // SAFETY: the block is in use and has so many octets.
                    unsafe { block.write_bytes(mark, size) };
                    live.push((block, layout, mark));
                }
            }
        }
        for (block, layout, _) in live {
            // SAFETY: the block is in use with this layout.
            unsafe { allocator.dealloc(block, layout) };
        }
        // SAFETY: no reference is left.
        let kept = unsafe { &*allocator.behind.0.get() };
        assert!(kept.len() <= SIZES * KEPT as usize);
        assert!(kept.values().all(|layout| layout.size() <= LARGEST));
    }

    #[test]
    fn a_freed_block_is_the_next_one() {
        let allocator = Reusing::new(Noting::default());
        let [of_20, of_30] = [20, 30].map(|size| Layout::from_size_align(size, 4).unwrap());
        // SAFETY: sizes are not 0, and each block is freed once, with its layout.
        unsafe {
            let block = allocator.alloc(of_20);
            allocator.dealloc(block, of_20);
            assert_eq!(allocator.alloc(of_30), block);
            assert_eq!(allocator.realloc(block, of_30, 17), block);
            allocator.dealloc(block, of_20);
        }
        assert_eq!(allocator.behind.1.get(), 1);
        // SAFETY: the block is kept, and freed here for the last time.
        unsafe {
            let steps = steps(of_20).unwrap();
            allocator.behind.dealloc((*allocator.blocks(steps)).first, whole(steps));
        }
    }
}
