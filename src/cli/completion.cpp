#include "completion.hpp"

#include "folds.hpp"

namespace nori::cli {

std::string bash_completion(const std::vector<verb_words>& verbs) {
  std::string names;
  std::string cases;
  for (const verb_words& each : verbs) {
    names += (names.empty() ? "" : " ") + each.name;
    std::string options;
    for (const std::string& option : each.options) options += (options.empty() ? "" : " ") + option;
    cases += "    " + each.name + ") options='" + options + "' ;;\n";
  }
  std::string folding;
  for (const fold& each : folds()) {
    folding += (folding.empty() ? "" : " ") + std::string(each.name);
  }
  return "_nori() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options=\n"
         "  COMPREPLY=()\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    mapfile -t COMPREPLY < <(compgen -W '" +
         names +
         "' -- \"$word\")\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]} in\n" +
         cases +
         "  esac\n"
         "  case $before in\n"
         "    --fold) mapfile -t COMPREPLY < <(compgen -W '" +
         folding +
         "' -- \"$word\"); return ;;\n"
         "    --colour) mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- \"$word\"); "
         "return ;;\n"
         "    completion) COMPREPLY=(bash); return ;;\n"
         "  esac\n"
         "  if [[ $word == -* ]]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
         "  elif [[ ${COMP_WORDS[1]} == show && $COMP_CWORD == 3 ]]; then\n"
         "    local IFS=$'\\n'\n"
         "    mapfile -t COMPREPLY < <(nori streams \"$before\" \"$word\" --names 2>/dev/null)\n"
         "  else\n"
         "    compopt -o filenames 2>/dev/null\n"
         "    mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
         "  fi\n"
         "}\n"
         "complete -F _nori nori\n";
}

}  // namespace nori::cli
