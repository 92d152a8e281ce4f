# Reads names of files, one on each line; checks what they include. POSIX awk.

BEGIN {
  # What a file may include from, by the group it belongs to, bottom up. Vocabulary is the few
  # public headers of plain types that the low layers speak in, too.
  may["vocabulary"] = "vocabulary"
  may["testing"]    = "vocabulary testing"
  may["format"]     = "vocabulary format"
  may["engine"]     = "vocabulary format engine"
  may["storage"]    = "vocabulary format storage"
  may["simulated"]  = "vocabulary format storage simulated testing"
  may["log"]        = "vocabulary log"
  may["wal"]        = "vocabulary format engine storage log wal"
  may["store_api"]  = "vocabulary log store_api"
  # Helpers for tests of what is built on the store.
  may["store_tests"] = "vocabulary log store_api testing store_tests"
  may["store"]      = "vocabulary format engine storage log wal store_api store"
  may["everything"] = "vocabulary log store_api"
  may["program"]    = "vocabulary log testing store_api store_tests everything program"

  split("position error record config recovery_info meter", names, " ")
  for (i in names) vocabulary["include/nori/" names[i] ".hpp"] = 1

  io = "^(liburing|fcntl|unistd|fstream|sys/(stat|mman|file|uio|ioctl|statfs|vfs))(\\.h)?$"
}

function group(path) {
  if (path in vocabulary) return "vocabulary"
  if (path == "include/nori/nori.hpp") return "everything"
  if (path ~ /^include\/nori\/store\//) return "store_api"
  if (path == "include/nori/testing/given_when_then.hpp") return "store_tests"
  if (path ~ /^include\/nori\/testing\//) return "testing"
  if (path ~ /^include\/nori\/[^\/]*$/) return "log"
  if (path ~ /^src\/testing\//) return "simulated"
  if (path ~ /^src\/(format|engine|storage|wal|store)\//) { split(path, part, "/"); return part[2] }
  if (path ~ /^(src\/cli|examples|bench)\//) return "program"
  return ""
}

function exists(path,   line, found) {
  found = (getline line < path) >= 0
  close(path)
  return found
}

# Removes "x/.." and "." from a path.
function plain(path,   n, i, top, part, out) {
  n = split(path, part, "/")
  top = 0
  for (i = 1; i <= n; ++i) {
    if (part[i] == "." || part[i] == "") continue
    if (part[i] == ".." && top > 0) --top
    else part[++top] = part[i]
  }
  out = part[1]
  for (i = 2; i <= top; ++i) out = out "/" part[i]
  return out
}

# The file in this tree that an #include means, or "" for one from elsewhere.
function resolve(from, name, quoted,   beside) {
  if (quoted) {
    beside = from
    sub(/[^\/]*$/, "", beside)
    beside = plain(beside name)
    if (exists(beside)) return beside
  }
  if (exists(plain("include/" name))) return plain("include/" name)
  if (exists(plain("src/" name))) return plain("src/" name)
  # Not written yet, or misspelt: what it says is enough to judge by.
  if (name ~ /^nori\//) return "include/" name
  if (name ~ /^(format|engine|storage|testing|wal|store|cli)\//) return "src/" name
  return ""
}

function refuse(why) {
  printf "%s:%d: %s\n", file, number, why
  ++refused
}

function check(name, quoted,   target, to) {
  target = resolve(file, name, quoted)
  if (target == "") {
    if (name ~ io && own !~ /^(storage|program)$/)
      refuse(name " does input or output, which is for src/storage")
    if (name == "liburing.h" && own == "program" && file !~ /^bench\//)
      refuse(name " is for src/storage and bench")
    if (name ~ /^boost\/json/ && own !~ /^(store|store_api|program)$/)
      refuse(name " belongs to the event store")
    if (name ~ /^boost\/asio/ && own ~ /^(format|engine)$/)
      refuse(name ": " own " decides and encodes, it performs nothing")
    return
  }
  to = group(target)
  if (to == "") refuse(name " is in no layer")
  else if (index(" " may[own] " ", " " to " ") == 0)
    refuse(own " may not include " name " (" to ")")
  else if (to == "program" && top_of(target) != top_of(file) && !shared(target, file))
    refuse(name " belongs to another program")
}

# examples/bank/x.hpp belongs to examples/bank; bench and src/cli are one each.
# What all examples share lies beside them.
function shared(target, file) {
  return top_of(target) == "examples/" && file ~ /^examples\//
}

function top_of(path,   part, n) {
  n = split(path, part, "/")
  return part[1] "/" (n > 2 && part[1] != "bench" ? part[2] : "")
}

{
  file = $0
  own = group(file)
  number = 0
  if (own == "") refuse("is in no layer")
  while ((getline line < file) > 0) {
    ++number
    if (line !~ /^[ \t]*#[ \t]*include[ \t]*[<"]/) continue
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", line)
    quoted = substr(line, 1, 1) == "\""
    line = substr(line, 2)
    sub(/[>"].*$/, "", line)
    ++includes
    if (own != "") check(line, quoted)
  }
  close(file)
  ++files
}

END {
  if (refused) exit 1
  if (!files) { print "no sources found"; exit 1 }
  printf "%d includes in %d files\n", includes, files
}
