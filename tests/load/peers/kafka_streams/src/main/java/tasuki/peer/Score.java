package tasuki.peer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.util.List;

/** What is published of a lead: the total at `time`, and what each rule adds to it, in micro-points. */
record Score(String lead, long time, long total, List<Contribution> contributions) {
    record Contribution(String rule, long points, int times, long last) {}

    private static final ObjectWriter WRITER = new ObjectMapper().writerFor(Score.class);

    byte[] encode() {
        try {
            return WRITER.writeValueAsBytes(this);
        } catch (JsonProcessingException error) {
            throw new IllegalStateException(error);
        }
    }
}
