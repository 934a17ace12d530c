/* SPDX-License-Identifier: MIT */
/* mogadm completion: scripts for shells, made from the table of topics. */
#include <stdio.h>
#include <string.h>

#include "tools/adm.h"

static const char tools[] = "mogupload mogfetch mogdelete mogrename mogfileinfo mogfiledebug moglistkeys moglistfids "
                            "mogtool mogbench";

static void print_topics(void)
{
    for (const struct adm_topic *t = adm_topics; t->name; t++)
        printf("%s%s", t == adm_topics ? "" : " ", t->name);
}

static void print_verbs(const struct adm_topic *t)
{
    for (const struct adm_verb *v = t->verbs; v->run; v++)
        printf("%s%s", v == t->verbs ? "" : " ", v->verb);
}

static void print_options(const struct adm_verb *v)
{
    static const char *const ends[] = {"", "", "=", "="};
    for (const struct toolopt_def *d = v->opts; d && d->name; d++)
        printf("%s--%s%s", d == v->opts ? "" : " ", d->name, ends[d->type]);
}

static const char *status_words(const struct adm_topic *t)
{
    return strcmp(t->name, "device") == 0 ? "alive down readonly drain dead" : "alive down readonly dead";
}

/* What may stand behind a verb: its options, and words that are always the same. */
static void print_behind(const struct adm_topic *t, const struct adm_verb *v)
{
    print_options(v);
    if (v->words && strstr(v->words, "status"))
        printf(" %s", status_words(t));
    if (v->words && strstr(v->words, "shell"))
        printf(" bash zsh");
    if (v->words && strstr(v->words, "job"))
        printf(" delete fsck job_master monitor queryworker reaper replicate");
}

static void print_cases(const char *indent)
{
    for (const struct adm_topic *t = adm_topics; t->name; t++) {
        if (t->verbs[0].verb) {
            printf("%s%s:) words_=\"", indent, t->name);
            print_verbs(t);
            printf("\" ;;\n");
        }
        for (const struct adm_verb *v = t->verbs; v->run; v++) {
            printf("%s%s:%s) words_=\"", indent, t->name, v->verb ? v->verb : "*");
            print_behind(t, v);
            printf("\" ;;\n");
        }
    }
}

static void print_bash(void)
{
    printf("# bash completion of mogadm and the other tools: source <(mogadm completion bash)\n"
           "_mogadm()\n{\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} topic= verb= words_= i word\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        word=${COMP_WORDS[i]}\n"
           "        case $word in\n"
           "            -* | = | *:*) continue ;;\n"
           "        esac\n"
           "        [[ ${COMP_WORDS[i - 1]} == = ]] && continue\n"
           "        if [[ -z $topic ]]; then topic=$word; elif [[ -z $verb ]]; then verb=$word; fi\n"
           "    done\n"
           "    if [[ -z $topic ]]; then\n        words_=\"");
    print_topics();
    printf(" --trackers= --config= --timeout= --verbose --json --help --version\"\n"
           "    else\n        case $topic:$verb in\n");
    print_cases("            ");
    printf("        esac\n    fi\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$words_\" -- \"$cur\")\n"
           "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
           "    [[ $topic == apply ]] && mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$cur\")\n"
           "    return 0\n}\n"
           "_mogtools()\n{\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]}\n"
           "    if [[ $cur == -* ]]; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$(\"$1\" --help 2>/dev/null |\n"
           "            sed -n 's/^  \\(--[a-z_-]*=\\{0,1\\}\\).*/\\1/p')\" -- \"$cur\")\n"
           "        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
           "    else\n"
           "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
           "    fi\n"
           "    return 0\n}\n"
           "complete -F _mogadm mogadm\n"
           "complete -F _mogtools %s\n",
           tools);
}

static void print_zsh(void)
{
    printf("#compdef mogadm %s\n"
           "# zsh completion of mogadm and the other tools: a file _mogadm in a folder of $fpath\n"
           "_mogadm()\n{\n"
           "    local topic= verb= words_= i word\n"
           "    if [[ $service != mogadm ]]; then\n"
           "        words_=$($service --help 2>/dev/null | sed -n 's/^  \\(--[a-z_-]*=\\{0,1\\}\\).*/\\1/p')\n"
           "        if [[ $PREFIX == -* ]]; then compadd -S '' -- ${=words_}; else _files; fi\n"
           "        return\n"
           "    fi\n"
           "    for ((i = 2; i < CURRENT; i++)); do\n"
           "        word=${words[i]}\n"
           "        [[ $word == -* ]] && continue\n"
           "        if [[ -z $topic ]]; then topic=$word; elif [[ -z $verb ]]; then verb=$word; fi\n"
           "    done\n"
           "    if [[ -z $topic ]]; then\n        words_=\"",
           tools);
    print_topics();
    printf(" --trackers= --config= --timeout= --verbose --json --help --version\"\n"
           "    else\n        case $topic:$verb in\n");
    print_cases("            ");
    printf("        esac\n    fi\n"
           "    compadd -- ${=words_}\n"
           "    [[ $topic == apply ]] && _files\n"
           "    return 0\n}\n"
           "if [[ $funcstack[1] == _mogadm ]]; then _mogadm \"$@\"; else compdef _mogadm mogadm %s; fi\n",
           tools);
}

static int completion_run(struct adm *a)
{
    if (strcmp(a->word[0], "bash") == 0)
        print_bash();
    else if (strcmp(a->word[0], "zsh") == 0)
        print_zsh();
    else
        return adm_help_error(a, "There is no completion for '%s'", a->word[0]);
    return 0;
}

const struct adm_verb adm_completion_verbs[] = {
    {NULL, "shell", NULL, "Print a script that completes words of the command line.", completion_run, ADM_NO_TRACKER},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
