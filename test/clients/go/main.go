// A user's program in Go: stubs that were generated from the tree, a submission, pages, and a refusal with its details.
// Its arguments are host:port of the service and the path of a token. Ends with 1 and the reason where something is wrong.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pilotagev1 "pilotage/v1"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Println("FAILED", err)
		os.Exit(1)
	}
}

func run(server, tokenPath string) error {
	token, err := os.ReadFile(tokenPath)
	if err != nil {
		return err
	}
	connection, err := grpc.NewClient(server, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+strings.TrimSpace(string(token)))
	jobs := pilotagev1.NewJobServiceClient(connection)

	submitted, err := jobs.SubmitJobs(ctx, &pilotagev1.SubmitJobsRequest{Jobs: []*pilotagev1.JobSpec{
		{Executable: "true", Name: "first"}, {Executable: "true", Name: "second"}, {Executable: "true", Name: "third"},
	}})
	if err != nil {
		return fmt.Errorf("a submission: %w", err)
	}
	fmt.Println("ok submits", len(submitted.JobIds), "jobs")

	listed := 0
	request := &pilotagev1.ListJobsRequest{JobIds: submitted.JobIds, PageSize: 2}
	for pages := 1; ; pages++ {
		page, err := jobs.ListJobs(ctx, request)
		if err != nil {
			return fmt.Errorf("page %d: %w", pages, err)
		}
		for _, job := range page.Jobs {
			if job.State != pilotagev1.JobState_JOB_STATE_WAITING {
				return fmt.Errorf("job %d is %v", job.JobId, job.State)
			}
		}
		listed += len(page.Jobs)
		request.PageToken = page.NextPageToken
		if page.NextPageToken == "" {
			fmt.Println("ok lists", listed, "jobs on", pages, "pages")
			break
		}
	}
	if listed != len(submitted.JobIds) {
		return fmt.Errorf("%d jobs were listed", listed)
	}
	return refused(ctx, jobs)
}

func refused(ctx context.Context, jobs pilotagev1.JobServiceClient) error {
	_, err := jobs.SubmitJobs(ctx, &pilotagev1.SubmitJobsRequest{Jobs: []*pilotagev1.JobSpec{{Executable: "true", MaxAttempts: 99}}})
	refusal := status.Convert(err)
	if refusal.Code() != codes.InvalidArgument {
		return fmt.Errorf("a wrong job: %v", err)
	}
	for _, detail := range refusal.Details() {
		if wrong, is := detail.(*errdetails.BadRequest); is {
			if field := wrong.FieldViolations[0].Field; field != "jobs[0].max_attempts" {
				return fmt.Errorf("the wrong field is called %q", field)
			}
			fmt.Println("ok reads the details of a refusal:", wrong.FieldViolations[0].Field)
			return nil
		}
	}
	return fmt.Errorf("no BadRequest among %v", refusal.Details())
}
