use super::*;
use alloy_primitives::keccak256;
use std::sync::atomic::AtomicU32;
use warpevm_compiler::compile_with;

/// A folder that is removed with this.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("warpevm-artefacts-{}-{count}", std::process::id());
        Folder(std::env::temp_dir().join(name))
    }

    fn open(&self, bytes_max: u64) -> Artefacts {
        Artefacts::open(self.0.clone(), bytes_max).expect("it opens")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const MIB: u64 = 1 << 20;

/// A code that is another for each number.
fn code(number: u32) -> Vec<u8> {
    let [a, b, c, d] = number.to_be_bytes();
    // PUSH4 number; CALLDATALOAD; PUSH1 0; SSTORE; STOP
    vec![0x63, a, b, c, d, 0x35, 0x60, 0, 0x55, 0]
}

fn program(number: u32) -> Program {
    compile_with(&code(number), Spec::Osaka, &Options::ALL)
}

fn put(artefacts: &Artefacts, number: u32) {
    let code = code(number);
    let program = program(number);
    artefacts.put(keccak256(&code), Spec::Osaka, &Options::ALL, code.len(), &program);
}

fn get(artefacts: &Artefacts, number: u32) -> Option<Program> {
    let code = code(number);
    artefacts.get(keccak256(&code), Spec::Osaka, &Options::ALL, code.len())
}

fn path(artefacts: &Artefacts, number: u32) -> PathBuf {
    let code = code(number);
    let key = ArtefactKey::new(keccak256(&code), Spec::Osaka, &Options::ALL, code.len());
    folder::path_of(artefacts.folder(), &key)
}

fn used_before(path: &Path, hours: u64) {
    let file = File::options().write(true).open(path).expect("it opens");
    file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).expect("marked");
}

#[test]
fn what_was_put_is_found_by_another_engine() {
    let folder = Folder::new();
    let first = folder.open(MIB);
    assert_eq!(get(&first, 1), None);
    put(&first, 1);
    let second = folder.open(MIB);
    assert_eq!(get(&second, 1), Some(program(1)));
    assert_eq!(get(&second, 2), None);
    let counts = ArtefactCounts { hits: 1, misses: 1, ..ArtefactCounts::default() };
    assert_eq!(second.counts(), counts);
    let listed = second.list().expect("listed");
    assert_eq!(listed.len(), 1);
    assert!(listed[0].current && listed[0].hash == keccak256(code(1)));
    assert_eq!(second.clear().expect("cleared"), Pruned { programs: 1, bytes: 4096 });
    assert_eq!(fs::read_dir(&folder.0).expect("the folder").count(), 0);
}

#[test]
fn a_key_is_a_code_a_spec_and_passes() {
    let folder = Folder::new();
    let artefacts = folder.open(MIB);
    let (code, hash) = (code(1), keccak256(code(1)));
    let keys = [
        (Spec::Osaka, Options::ALL),
        (Spec::Frontier, Options::ALL),
        (Spec::Osaka, Options::NONE),
        (Spec::Osaka, Options { regions: false, ..Options::ALL }),
    ];
    for (at, (spec, passes)) in keys.iter().enumerate() {
        for (spec, passes) in &keys[at..] {
            assert_eq!(artefacts.get(hash, *spec, passes, code.len()), None);
        }
        let program = compile_with(&code, *spec, passes);
        artefacts.put(hash, *spec, passes, code.len(), &program);
        assert_eq!(artefacts.get(hash, *spec, passes, code.len()), Some(program));
    }
    assert_eq!(artefacts.list().expect("listed").len(), keys.len());
    assert_eq!(artefacts.get(hash, Spec::Osaka, &Options::ALL, code.len() + 1), None);
}

#[test]
fn a_damaged_file_is_removed_and_counted() {
    let folder = Folder::new();
    let artefacts = folder.open(MIB);
    put(&artefacts, 1);
    let path = path(&artefacts, 1);
    let mut bytes = fs::read(&path).expect("there");
    *bytes.last_mut().expect("it is not empty") ^= 1;
    fs::write(&path, bytes).expect("written");
    assert_eq!(get(&artefacts, 1), None);
    assert!(!path.exists());
    let counts = artefacts.counts();
    assert_eq!((counts.damaged, counts.misses, counts.failures), (1, 1, 0));
    put(&artefacts, 1);
    assert_eq!(get(&artefacts, 1), Some(program(1)));
    // A good file under the name of another key.
    let other = self::path(&artefacts, 2);
    fs::create_dir_all(other.parent().expect("a folder")).expect("made");
    fs::rename(&path, other).expect("renamed");
    assert_eq!((get(&artefacts, 2), artefacts.counts().damaged), (None, 2));
}

#[test]
fn what_is_no_file_or_too_long_is_not_read() {
    let folder = Folder::new();
    let artefacts = folder.open(MIB);
    put(&artefacts, 1);
    let path = path(&artefacts, 1);
    let file = File::options().write(true).open(&path).expect("it opens");
    // Sparse: it takes no room.
    file.set_len(ARTEFACT_BYTES_MAX + 1).expect("longer");
    drop(file);
    assert_eq!((get(&artefacts, 1), path.exists()), (None, false));
    fs::create_dir(&path).expect("a folder in its place");
    assert_eq!(get(&artefacts, 1), None);
    put(&artefacts, 1);
    let counts = artefacts.counts();
    assert_eq!((counts.damaged, counts.failures, counts.written), (2, 2, 1));
}

#[test]
fn the_bound_is_kept_and_what_is_used_stays() {
    let folder = Folder::new();
    // 64 files of 4 KiB.
    let artefacts = folder.open(64 * 4096);
    for number in 0..400 {
        put(&artefacts, number);
        let path = path(&artefacts, number);
        used_before(&path, u64::from(400 - number));
        if number > 20 {
            // It is read again and again.
            used_before(&self::path(&artefacts, 7), 30 * 24);
            assert!(get(&artefacts, 7).is_some(), "after {number}");
        }
        let bytes: u64 = artefacts.list().expect("listed").iter().map(|found| found.bytes).sum();
        assert!(bytes <= 64 * 4096, "{bytes} bytes after {number}");
    }
    let kept = artefacts.list().expect("listed").len();
    assert!(kept > 40, "only {kept} kept");
    assert_eq!(artefacts.counts().written, 400);
    let pruned = artefacts.prune(10 * 4096).expect("pruned");
    assert_eq!((pruned.programs, pruned.bytes), (kept as u64 - 10, (kept as u64 - 10) * 4096));
    assert!(get(&artefacts, 7).is_some() && get(&artefacts, 399).is_some());
    // Nothing fits in a folder of nothing.
    let nothing = folder.open(0);
    put(&nothing, 500);
    assert_eq!((get(&nothing, 500), nothing.counts().oversized), (None, 1));
}

#[test]
fn a_read_marks_a_file_once_a_day() {
    let folder = Folder::new();
    let artefacts = folder.open(MIB);
    put(&artefacts, 1);
    let path = path(&artefacts, 1);
    let used = || fs::metadata(&path).expect("there").modified().expect("a time");
    for (hours, marked) in [(1, false), (23, false), (25, true)] {
        used_before(&path, hours);
        let before = used();
        assert!(get(&artefacts, 1).is_some());
        assert_eq!(used() > before, marked, "after {hours} hours");
    }
}

#[test]
fn what_killed_processes_left_is_removed() {
    let folder = Folder::new();
    let artefacts = folder.open(MIB);
    put(&artefacts, 1);
    let beside = |name: &str| path(&artefacts, 1).with_file_name(name);
    let (old, new, other) = (beside(".new-1"), beside(".new-2"), beside("readme"));
    for path in [&old, &new, &other] {
        fs::write(path, "half").expect("written");
    }
    used_before(&old, 2);
    used_before(&other, 2);
    artefacts.prune(MIB).expect("pruned");
    assert_eq!([&old, &new, &other].map(|path| path.exists()), [false, true, true]);
    fs::write(&old, "half").expect("written");
    used_before(&old, 2);
    // The first look through the folder is that of the first write.
    put(&folder.open(MIB), 2);
    assert_eq!([&old, &new, &other].map(|path| path.exists()), [false, true, true]);
    artefacts.clear().expect("cleared");
    assert_eq!([&old, &new, &other].map(|path| path.exists()), [false, false, true]);
}

#[test]
fn threads_that_write_and_read_one_key_see_whole_programs() {
    let folder = Folder::new();
    let engines = [folder.open(MIB), folder.open(MIB)];
    let programs: Vec<Program> = (0..4).map(program).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (artefacts, programs) = (&engines[thread % 2], &programs);
            scope.spawn(move || {
                for round in 0..200 {
                    let number = (thread + round) as u32 % 4;
                    if let Some(found) = get(artefacts, number) {
                        assert_eq!(found, programs[number as usize]);
                    }
                    put(artefacts, number);
                    if round % 50 == 49 {
                        artefacts.prune(2 * 4096).expect("pruned");
                    }
                }
            });
        }
    });
    for counts in engines.map(|artefacts| artefacts.counts()) {
        assert_eq!((counts.damaged, counts.failures, counts.written), (0, 0, 400));
        assert!(counts.hits > 0, "{counts:?}");
    }
}

#[test]
fn a_folder_that_is_gone_fails_nobody() {
    let folder = Folder::new();
    let artefacts = folder.open(MIB);
    fs::remove_dir_all(&folder.0).expect("removed");
    assert_eq!((get(&artefacts, 1), artefacts.list().expect("listed")), (None, Vec::new()));
    put(&artefacts, 1);
    assert_eq!((get(&artefacts, 1), artefacts.counts().failures), (Some(program(1)), 0));
    // A file where the folder should be.
    fs::remove_dir_all(&folder.0).expect("removed");
    fs::write(&folder.0, "").expect("written");
    put(&artefacts, 1);
    assert_eq!((get(&artefacts, 1), artefacts.counts().failures), (None, 2));
    let error = Artefacts::open(folder.0.join("below"), MIB).expect_err("it is a file");
    let message = crate::error::with_causes(&error);
    assert!(message.starts_with("compiled programs: ") && message.contains("below: "), "{message}");
    fs::remove_file(&folder.0).expect("removed");
}

#[cfg(unix)]
#[test]
fn what_others_may_write_is_not_used() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let folder = Folder::new();
    let artefacts = folder.open(MIB);
    put(&artefacts, 1);
    let path = path(&artefacts, 1);
    let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    };
    assert_eq!((mode(&folder.0), mode(&path)), (0o700, 0o600));
    assert_eq!(mode(path.parent().expect("a folder")), 0o700);
    for wrong in [0o620, 0o602, 0o666] {
        put(&artefacts, 1);
        set(&path, wrong);
        assert_eq!((get(&artefacts, 1), path.exists()), (None, false), "{wrong:o}");
    }
    assert_eq!(artefacts.counts().damaged, 3);
    // That others may read is their user's choice.
    put(&artefacts, 1);
    set(&path, 0o644);
    assert!(get(&artefacts, 1).is_some());
    // Only root can give a file away.
    if chown(&path, Some(12345), None).is_ok() {
        assert_eq!((get(&artefacts, 1), path.exists()), (None, false));
    }
    for wrong in [0o770, 0o777, 0o1777] {
        set(&folder.0, wrong);
        let error = Artefacts::open(folder.0.clone(), MIB).expect_err("others may write it");
        let message = crate::error::with_causes(&error);
        assert!(message.contains("other users may write it"), "{message}");
    }
    set(&folder.0, 0o755);
    folder.open(MIB);
}
