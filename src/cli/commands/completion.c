/* SPDX-License-Identifier: Apache-2.0 */
/* `stead completion bash`: prints a script that completes commands, options, kinds and names. It gets options from `stead help` and
 * names from `stead get`, so it does not have to be kept in step with them. */
#include "cli/commands/commands.h"

static const char script[] =
    "_stead() {\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words=\n"
    "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
    "        words=$(stead help | sed -n 's/^  \\([a-z]*\\) .*/\\1/p')\n"
    "    elif [[ $word == -* ]]; then\n"
    "        words=$(stead help \"$command\" 2> /dev/null | grep -oE -- ' --?[a-z][a-z-]*')\n"
    "    else\n"
    "        case $command in\n"
    "        logs | exec) words=$(stead get pods -o name 2> /dev/null | sed 's,.*/,,') ;;\n"
    "        service) words=\"list $(stead get services -o name 2> /dev/null | sed 's,.*/,,')\" "
    ";;\n"
    "        scale) words=$(stead get sts,deploy -o name 2> /dev/null) ;;\n"
    "        rollout)\n"
    "            words='status undo restart history'\n"
    "            [ \"$COMP_CWORD\" -eq 2 ] ||\n"
    "                words=$(stead get sts,deploy -o name 2> /dev/null) ;;\n"
    "        get | describe | delete)\n"
    "            words='pods statefulsets services persistentvolumeclaims persistentvolumes\n"
    "                deployments replicasets jobs configmaps secrets nodes namespaces events\n"
    "                daemonsets cronjobs ingresses serviceaccounts storageclasses all'\n"
    "            [ \"$COMP_CWORD\" -eq 2 ] ||\n"
    "                words=$(stead get \"${COMP_WORDS[2]}\" -o name 2> /dev/null |\n"
    "                    sed 's,.*/,,') ;;\n"
    "        image) words='import make ls rm' ;;\n"
    "        demo) words='list scenario1 scenario2 scenario3 scenario4 scenario5' ;;\n"
    "        help) words=$(stead help | sed -n 's/^  \\([a-z]*\\) .*/\\1/p') ;;\n"
    "        esac\n"
    "    fi\n"
    "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
    "    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$word\"))\n"
    "}\n"
    "complete -F _stead stead\n";

int command_completion(const char *program, Options *options)
{
    (void)program;
    if (!str_equal(options->words[0], "bash")) {
        fprintf(stderr,
                "stead: there is no completion for %s, only for bash: stead completion bash\n",
                options->words[0]);
        return 2;
    }
    fputs(script, stdout);
    return 0;
}
