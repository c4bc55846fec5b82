/* Prints the JSON of every update. Usage: subscribe [ENDPOINT]
 * Build: cc -Wall -o subscribe subscribe.c -lzmq
 */
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

int main(int argc, char **argv) {
    const char *endpoint = argc > 1 ? argv[1] : "tcp://127.0.0.1:5757";
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_SUB);
    if (zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "update/", 7) || zmq_connect(socket, endpoint)) {
        fprintf(stderr, "%s: %s\n", endpoint, zmq_strerror(zmq_errno()));
        return EXIT_FAILURE;
    }
    for (;;) {
        zmq_msg_t part;
        int last;
        /* An update has two parts, the topic and one JSON object: print the last one. */
        do {
            zmq_msg_init(&part);
            if (zmq_msg_recv(&part, socket, 0) < 0) {
                fprintf(stderr, "%s\n", zmq_strerror(zmq_errno()));
                return EXIT_FAILURE;
            }
            last = !zmq_msg_more(&part);
            if (last) {
                fwrite(zmq_msg_data(&part), 1, zmq_msg_size(&part), stdout);
                putchar('\n');
                fflush(stdout);
            }
            zmq_msg_close(&part);
        } while (!last);
    }
}
