//! Names of functions by address: the kernel's from kallsyms, a process's from its maps and its files' symbols.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _, SymbolKind};

use super::Function;

/// Functions by the address they begin at; each ends where the next begins, `None` is no function.
#[derive(Debug)]
pub(crate) struct Symbols(BTreeMap<u64, Option<Function>>);

/// Where the guest's program is while it runs.
const GUEST_PROGRAM: &str = "/dev/shm/usbfs2-bench";

/// The bits of an address that name its page.
const PAGE: u64 = !0xfff;

impl Symbols {
    /// From `/proc/kallsyms`: address, type, name, and the module in brackets.
    pub(crate) fn kernel(kallsyms: &str) -> Result<Self> {
        let mut symbols = BTreeMap::new();
        for line in kallsyms.lines() {
            let mut fields = line.split_ascii_whitespace();
            let (Some(address), Some(kind), Some(name)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            // Data and per-processor variables share the address space with nothing here.
            if !matches!(kind, "t" | "T" | "w" | "W") {
                continue;
            }
            let part = fields
                .next()
                .map_or("vmlinux", |module| module.trim_matches(['[', ']']));
            let address =
                u64::from_str_radix(address, 16).context("kallsyms has an odd address")?;
            let function = Function {
                part: part.to_owned(),
                name: name.to_owned(),
            };
            symbols.entry(address).or_insert(Some(function));
        }
        ensure!(
            symbols.keys().any(|&address| address > 0),
            "kallsyms hides its addresses"
        );
        Ok(Self(symbols))
    }

    /// From `/proc/PID/maps` and this machine's files, which the guest shares; `program` is what the guest runs.
    pub(crate) fn user(maps: &str, program: &Path) -> Result<Self> {
        let mut symbols = BTreeMap::new();
        for mapping in maps
            .lines()
            .filter_map(Mapping::parse)
            .filter(|mapping| mapping.executable)
        {
            let path = if mapping.path == GUEST_PROGRAM {
                program
            } else {
                Path::new(mapping.path)
            };
            let part = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let nameless = Function {
                name: "(without a name)".to_owned(),
                part: part.clone(),
            };
            symbols.insert(mapping.start, Some(nameless.clone()));
            if path.is_absolute() {
                add_file(&mut symbols, &mapping, path, &nameless)
                    .with_context(|| format!("read {}", path.display()))?;
            }
            symbols.entry(mapping.end).or_insert(None);
        }
        Ok(Self(symbols))
    }

    pub(crate) fn find(&self, address: u64) -> Option<Function> {
        self.0.range(..=address).next_back()?.1.clone()
    }
}

/// Adds the functions of the file at `path` that are in `mapping`.
fn add_file(
    symbols: &mut BTreeMap<u64, Option<Function>>,
    mapping: &Mapping<'_>,
    path: &Path,
    nameless: &Function,
) -> Result<()> {
    let bytes = fs::read(path)?;
    let file = object::File::parse(&*bytes)?;
    // The file's own address of the mapping's start. The kernel maps whole pages, so that a mapping may begin with
    // the end of the segment before.
    let own_start = file.segments().find_map(|segment| {
        let (offset, _) = segment.file_range();
        (offset & PAGE == mapping.offset).then(|| segment.address() & PAGE)
    });
    let own_start = own_start.context("no segment is where the mapping says")?;
    for symbol in file.symbols().chain(file.dynamic_symbols()) {
        let Some(from_start) = symbol.address().checked_sub(own_start) else {
            continue;
        };
        let address = mapping.start + from_start;
        if symbol.kind() == SymbolKind::Text && symbol.size() > 0 && address < mapping.end {
            let function = Function {
                name: format!("{:#}", rustc_demangle::demangle(symbol.name()?)),
                ..nameless.clone()
            };
            symbols.insert(address, Some(function));
            // Stripped libraries name only what they export: what follows is not part of it.
            let end = symbols.entry((address + symbol.size()).min(mapping.end));
            end.or_insert_with(|| Some(nameless.clone()));
        }
    }
    Ok(())
}

/// A line of `/proc/PID/maps`.
#[derive(Debug)]
struct Mapping<'a> {
    start: u64,
    end: u64,
    executable: bool,
    offset: u64,
    path: &'a str,
}

impl<'a> Mapping<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let executable = fields.next()?.contains('x');
        let offset = fields.next()?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(Self {
            start: number(start)?,
            end: number(end)?,
            executable,
            offset: number(offset)?,
            path: fields.nth(2).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_functions_have_their_module() {
        let kallsyms = "0000000000000000 A fixed\nffffffff81000000 T _text\nffffffffc0001000 t dummy_timer\t[dummy_hcd]\n\
                        ffffffffc0001080 d data\t[dummy_hcd]\n";
        let symbols = Symbols::kernel(kallsyms).expect("a kallsyms");
        let found = symbols.find(0xffff_ffff_c000_10a0).expect("a function");
        assert_eq!((&*found.part, &*found.name), ("dummy_hcd", "dummy_timer"));
        assert!(symbols.find(0x1000).is_none());
    }

    #[test]
    fn this_program_knows_its_own_functions() {
        let maps = fs::read_to_string("/proc/self/maps").expect("maps");
        let program = std::env::current_exe().expect("a program");
        let symbols = Symbols::user(&maps, &program).expect("symbols");
        let here: fn() = this_program_knows_its_own_functions;
        let address = u64::try_from(here as usize).expect("64 bits");
        let name = symbols.find(address).expect("a function").name;
        assert!(
            name.contains("this_program_knows_its_own_functions"),
            "{name}"
        );
    }
}
