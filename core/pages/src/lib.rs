//! Numbers that threads share, in memory of their own or in a file without a name.
//!
//! What the allocator of C gets back it may keep: in a process whose tables grow step by step, that is a quarter of
//! them. So what is large is mapped, and the system has it back at once. The file is of this process and those that it
//! forks, and gone with them. When memory runs short, the system writes parts of it to disk (`TMPDIR`), and reads them
//! again.

use std::io;
use std::ops::Deref;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapMut, MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, fallocate};

/// Fewer bytes than these are not worth a mapping.
const SMALL: usize = 1 << 18;

/// Where numbers stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In memory.
    Memory,
    /// In a file without a name, if they are many.
    File,
}

enum Kept {
    Allocated(Box<[AtomicU64]>),
    Mapped(MmapRaw),
}

/// A fixed count of numbers, which any thread may read and write.
pub struct Words {
    kept: Kept,
    count: usize,
}

impl Words {
    /// So many zeros. What is never written takes no memory.
    ///
    /// # Errors
    ///
    /// The disk is full, or there is no memory left to map.
    pub fn zeros(count: usize, place: Place) -> io::Result<Self> {
        let size = count.checked_mul(size_of::<AtomicU64>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let kept = if size < SMALL {
            Kept::Allocated((0..count).map(|_| AtomicU64::new(0)).collect())
        } else if place == Place::Memory {
            Kept::Mapped(MmapMut::map_anon(size)?.into())
        } else {
            let file = tempfile::tempfile()?;
            // Who writes where the disk has no room is killed, so it is taken now.
            fallocate(&file, FallocateFlags::empty(), 0, size as u64)?;
            Kept::Mapped(MmapOptions::new().len(size).map_raw(&file)?)
        };
        Ok(Self { kept, count })
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    #[allow(unsafe_code)]
    #[inline]
    fn deref(&self) -> &[AtomicU64] {
        match &self.kept {
            Kept::Allocated(words) => words,
            // SAFETY: the mapping begins at a page, is as long as `count` words and lives as long as `self`. All access
            // goes through these atomics; of the file, which has no name, there is no other mapping but those of forks.
            Kept::Mapped(map) => unsafe { std::slice::from_raw_parts(map.as_ptr().cast(), self.count) },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;
    use std::thread::scope;

    use super::{Place, SMALL, Words};

    #[test]
    fn threads_write_and_read_each_word_in_memory_and_in_a_file() {
        for place in [Place::Memory, Place::File] {
            for count in [0, 1, SMALL / 8 - 1, SMALL / 8, SMALL / 4 + 3] {
                let words = Words::zeros(count, place).unwrap();
                assert_eq!(words.len(), count);
                assert!(words.iter().all(|word| word.load(Relaxed) == 0));
                scope(|threads| {
                    for bit in 0..4 {
                        let words = &words;
                        threads.spawn(move || words.iter().for_each(|word| _ = word.fetch_or(1 << bit, Relaxed)));
                    }
                });
                assert!(words.iter().all(|word| word.load(Relaxed) == 15));
            }
        }
    }

    #[test]
    fn what_no_machine_has_is_an_error() {
        assert!(Words::zeros(usize::MAX, Place::Memory).is_err());
        assert!(Words::zeros(1 << 58, Place::File).is_err());
    }
}
